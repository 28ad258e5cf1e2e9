--- Certificates for tests of TLS, made with the command openssl.
local shell = require "spec.helper.shell"

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

local CA = [[
openssl req -x509 %s -keyout %s.key -out %s.pem -days 2 -subj "/CN=a CA for tests: %s"
]]
local SIGNED = [[
openssl req %s -keyout %s.key -out %s.csr -subj "/CN=%s"
printf '%s\n' >%s.ext
openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -set_serial %d -out %s.pem -days %d \
  -extfile %s.ext
]]

local HERE = "subjectAltName=DNS:localhost,IP:127.0.0.1\\nextendedKeyUsage=serverAuth"
local CLIENT = "extendedKeyUsage=clientAuth"
-- Name, extensions, days, CA.
local CERTIFICATES = {
  { "server", HERE, 2, "ca" },
  { "expired", HERE, 0, "ca" },
  { "elsewhere", "subjectAltName=DNS:elsewhere.example,IP:192.0.2.1", 2, "ca" },
  { "client", CLIENT, 2, "ca" },
  { "stranger", CLIENT, 2, "other-ca" },
}

--- Makes certificates and their keys in a directory: NAME.pem and NAME.key. Those of two CAs: `ca`,
-- `other-ca`. From `ca`: `server`, for localhost and 127.0.0.1; `expired`; `elsewhere`, for another
-- host; `client`. From `other-ca`: `stranger`, a client's.
-- @tparam string dir
return function(dir)
  local script = { "set -e; exec 2>&1; cd " .. shell.quote(dir) .. "\n" }
  for _, name in ipairs { "ca", "other-ca" } do
    script[#script + 1] = CA:format(KEY, name, name, name)
  end
  for serial, each in ipairs(CERTIFICATES) do
    local name, extensions, days, ca = each[1], each[2], each[3], each[4]
    script[#script + 1] = SIGNED:format(KEY, name, name, name, extensions, name, name, ca, ca,
                                        serial, name, days, name)
  end
  shell.run(table.concat(script))
end
