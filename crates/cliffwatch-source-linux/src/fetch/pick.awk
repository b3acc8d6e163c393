function fullness(file,  line) {
    line = ""
    getline line < file
    getline line < file
    close(file)
    sub(/ .*/, "", line); sub(/^0+/, "", line)
    return length(line)
}
$1 == "held" { for (i = 2; i <= NF; i++) held[$i] = 1; next }
$1 == "from" { from = $2; next }
$1 == "to" { to = $2; cut = $3; next }
$2 ~ /^\/proc\/self\// { own = $1; next }
{
    pids++
    split($2, path, "/"); pid = path[3] + 0
    if (!($1 in reader)) { found[++namespaces] = $1; reader[$1] = $2; lowest[$1] = pid }
    else if (!held[reader[$1]] && (held[$2] || pid < lowest[$1])) { reader[$1] = $2; lowest[$1] = pid }
}
END {
    for (n = 1; n <= namespaces; n++) {
        if (found[n] == own) continue
        others++
        full[n] = namespaces > 2000 && others <= 4000 ? fullness(reader[found[n]]) : 0
    }
    for (digits = 8; digits >= 0; digits--)
        for (n = 1; n <= namespaces; n++)
            if ((n in full) && full[n] == digits && shown < 1999) { shown++; list = list " " reader[found[n]] }
    if (own != "") print own, from, to, cut, pids + 0, others - shown list
}
