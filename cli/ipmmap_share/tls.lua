--- TLS on a connection: who is trusted, and what is wrong in plain words.
local needed = require "ipmmap_share.needed"

local tls = {}

--- What it can mean that a server ends a connection during the handshake or right after it.
tls.refused = "it may want a client's certificate (--cert, --key) from a CA that it knows"

local UNKNOWN_CA = "its certificate is not from a CA that is known here (--ca)"
local OTHER_HOST = "its certificate is for another host"
local WEAK = "its certificate or that of its CA is too weak"
-- By OpenSSL's numbers, X509_V_ERR_...
local REASONS = {
  [2] = UNKNOWN_CA, [18] = UNKNOWN_CA, [19] = UNKNOWN_CA, [20] = UNKNOWN_CA, [21] = UNKNOWN_CA,
  [9] = "its certificate is not valid yet, or the clock of this machine is wrong",
  [10] = "its certificate has expired",
  [24] = "its certificate is from one that may not sign certificates",
  [26] = "its certificate is not one for servers",
  [62] = OTHER_HOST, [64] = OTHER_HOST,
  [66] = WEAK, [67] = WEAK, [68] = WEAK,
}
local CERTIFICATE = "(%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-.-%-%-%-%-%-END CERTIFICATE%-%-%-%-%-)"

local function contents(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local text, why = file:read("*a")
  file:close()
  if not text then return nil, path .. ": " .. tostring(why) end
  return text
end

local function certificates(path, text)
  local x509, list = require "openssl.x509", {}
  for pem in text:gmatch(CERTIFICATE) do
    local fine, certificate = pcall(x509.new, pem, "PEM")
    if not fine then return nil, path .. " has a certificate that is damaged" end
    list[#list + 1] = certificate
  end
  if #list == 0 then return nil, path .. " has no certificate in PEM format" end
  return list
end

local function private_key(path, text)
  if text:find("ENCRYPTED", 1, true) then
    return nil, path .. " is protected by a passphrase, which nobody is there to type"
  end
  local fine, key = pcall(require "openssl.pkey".new, text, "PEM")
  if not fine then return nil, path .. " has no private key in PEM format" end
  return key
end

local function show_certificate(context, address, texts)
  local list, message = certificates(address.cert, texts.cert)
  if not list then return nil, message end
  local key, why = private_key(address.key, texts.key)
  if not key then return nil, why end
  context:setCertificate(list[1])
  if list[2] then
    local chain = require "openssl.x509.chain".new()
    for i = 2, #list do chain:add(list[i]) end
    context:setCertificateChain(chain)
  end
  if not pcall(context.setPrivateKey, context, key) then
    return nil, ("%s is not the key of %s"):format(address.key, address.cert)
  end
  return true
end

local function trust(context, address, texts)
  local store = context:getStore()
  if not address.ca then
    store:addDefaults()
    return true
  end
  local list, message = certificates(address.ca, texts.ca)
  if not list then return nil, message end
  -- By its path, as luaossl never frees a certificate that was added to a store.
  local fine, why = pcall(store.add, store, address.ca)
  if not fine then return nil, ("%s: %s"):format(address.ca, tostring(why)) end
  return true
end

local function is_ip(host)
  return host:find(":", 1, true) or host:find("^%d+%.%d+%.%d+%.%d+$")
end

local function new_context(address, texts)
  local contexts = require "openssl.ssl.context"
  local context = contexts.new("TLS", false)
  context:setOptions(contexts.OP_NO_TLSv1 + contexts.OP_NO_TLSv1_1)
  context:setVerify(contexts.VERIFY_PEER)
  local fine, message = trust(context, address, texts)
  if fine and address.cert then fine, message = show_certificate(context, address, texts) end
  if not fine then return nil, message end
  local param = context:getParam()
  if is_ip(address.host) then param:setIP(address.host) else param:setHost(address.host) end
  context:setParam(param)
  return context
end

-- The contexts by addresses, each with the contents of the files that it was made of. A context has
-- a megabyte if it has the system's CAs, and Lua's collector takes it for a few bytes.
local made = setmetatable({}, { __mode = "k" })

-- The context for an address: a new one at the first time, or if one of its files was changed.
local function context_for(address)
  local texts = {}
  for _, name in ipairs { "ca", "cert", "key" } do
    if address[name] then
      local text, message = contents(address[name])
      if not text then return nil, message end
      texts[name] = text
    end
  end
  local old = made[address]
  if old and old.ca == texts.ca and old.cert == texts.cert and old.key == texts.key then
    return old.context
  end
  local context, message = new_context(address, texts)
  if not context then return nil, message end
  texts.context = context
  made[address] = texts
  return context
end

-- The client's side of a connection, or nil, message.
local function new_client(address)
  local ssl, message = needed "openssl.ssl"
  if not ssl then return nil, message end
  local context, why = context_for(address)
  if not context then return nil, why end
  local client = ssl.new(context)
  if not is_ip(address.host) then client:setHostName(address.host) end
  return client
end

-- What was wrong in a handshake that failed. `text` is what OpenSSL says.
local function reason(client, text)
  local result = client:getVerifyResult()
  if result ~= 0 then
    return REASONS[result]
      or ("its certificate is not accepted (OpenSSL's reason %d)"):format(result)
  elseif text:find("wrong version number", 1, true)
      or text:find("packet length", 1, true) then
    return "it does not speak TLS on that port"
  elseif text:find("alert", 1, true) then
    return ("it ended the handshake; %s (%s)"):format(tls.refused, text)
  end
  return text
end

--- Makes the handshake, and verifies the server's certificate and its host name or IP address.
-- @param socket a connected socket of cqueues, whose `onerror` returns the number of an error
-- @tparam table address see `url.options`
-- @tparam number seconds for the handshake
-- @treturn[1] boolean true
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"timeout"`, or `"system"` for all else
function tls.start(socket, address, seconds)
  local client, message = new_client(address)
  if not client then return nil, message, "system" end
  local done, why = socket:starttls(client, seconds)
  if done then return true end
  local errno = require "cqueues.errno"
  if why == errno.ETIMEDOUT then
    return nil, "no TLS in time; it may not speak TLS on that port", "timeout"
  end
  local text = why and errno.strerror(why) or "the server closed the connection"
  return nil, "TLS: " .. reason(client, text), "system"
end

--- Whether there is all that a connection to an address needs here: the package, and the files.
-- @tparam table address see `url.options`
-- @treturn[1] boolean true
-- @return[2] nil, message, code
function tls.check(address)
  local client, message = new_client(address)
  if client then return true end
  return nil, message, "system"
end

return tls
