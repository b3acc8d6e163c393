function start(pid,  file, line, text, fields) {
    file = "/proc/" pid "/stat"; text = ""
    while ((getline line < file) > 0) text = text " " line
    close(file)
    sub(/.*\)/, "", text)
    split(text, fields, " ")
    return fields[20]
}
function groups(pid,  file, line, text, n) {
    file = "/proc/" pid "/cgroup"; text = "\t"; n = 0
    while ((getline line < file) > 0) {
        sub(/^[0-9]+:[^:]*:/, "", line)
        if (n < 3 && line != "/" && !index(text, "\t" line "\t")) { text = text substr(line, 1, 500) "\t"; n++ }
    }
    close(file)
    return text
}
function executed(pid,  file, line, fields, name) {
    file = "/proc/" pid "/mounts"; name = ""
    while ((getline line < file) > 0)
        if (line ~ / \/sys sysfs /) { split(line, fields, " "); name = fields[1] }
    close(file)
    return name == "sysfs" ? "" : name
}
BEGIN { print "now " start("self") }
$2 == "/proc/self/ns/net" { print "ownnet " $1; next }
$2 ~ /^\/proc\/[0-9]+\/ns\/net$/ { split($2, path, "/"); net[path[3]] = $1; next }
$2 ~ /^\/proc\// {
    split($2, path, "/"); pid = path[3]
    facts = row(pid)
    keep($1 "\t" pid "\t" start(pid) "\t" net[pid] "\t" (names ? executed(pid) : "") "\t" facts groups(pid))
    next
}
{ names++; if ((spent += length($0)) <= 250000) print "run " $1 "\t" substr($0, index($0, $2)) }
END { show("ns ") }
