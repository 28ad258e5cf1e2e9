# Turns Lua modules into C strings, for a host that ships one file. In awk, so that who builds the
# library needs no Lua interpreter.
# usage: LC_ALL=C awk -f tools/embed.awk lua/ipmmap/init.lua ... >modules.c
# A module is a list of its lines: C compilers need not take literals of more than 4095 bytes.

function module_name(path) {
    sub(/^lua\//, "", path)
    sub(/\.lua$/, "", path)
    sub(/\/init$/, "", path)
    gsub(/\//, ".", path)
    return path
}

function literal(line,    i, text) {
    text = ""
    for (i = 1; i <= length(line); i++)
        text = text escaped[substr(line, i, 1)]
    return "\"" text "\\n\""
}

BEGIN {
    for (i = 1; i < 256; i++) {
        c = sprintf("%c", i)
        escaped[c] = i >= 32 && i < 127 && c != "?" ? c : sprintf("\\%03o", i)
    }
    escaped["\""] = "\\\""
    escaped["\\"] = "\\\\"
    print "#include \"../../src/host/modules.h\"\n"
    print "#include <stddef.h>\n"
    for (m = 1; m < ARGC; m++) {
        printf "static const char *const module_%d[] = { /* %s */\n", m, ARGV[m]
        while ((got = (getline line < ARGV[m])) > 0)
            print "    " literal(line) ","
        if (got < 0) {
            print "embed.awk: cannot read " ARGV[m] | "cat >&2"
            exit 1
        }
        print "    NULL,\n};\n"
    }
    print "const lipm_module lipm_modules[] = {"
    for (m = 1; m < ARGC; m++)
        printf "    {\"%s\", \"@%s\", module_%d},\n", module_name(ARGV[m]), ARGV[m], m
    print "    {NULL, NULL, NULL},\n};"
}
