function row(pid,  file, line, cpus, fields, field, value, full, moved) {
    file = "/proc/" pid "/net/stat/nf_conntrack"
    cpus = 0; full = ""; moved = ""
    while ((getline line < file) > 0) {
        if (line ~ /^entries/) { columns = line; continue }
        if (cpus == 0) { full = line; sub(/ .*/, "", full); sub(/^0+/, "", full) }
        if (line !~ /^[0-9a-f]+[ 0]*$/) {
            split(line, fields, " ")
            for (field = 2; field in fields; field++) {
                value = fields[field]
                sub(/^0+/, "", value)
                if (value != "") moved = moved " " (field - 1) "." cpus "=" value
            }
        }
        cpus++
    }
    close(file)
    size = length(full)
    return cpus ? (full == "" ? "0" : full) " " cpus moved : ""
}
function keep(line) { lines[++kept] = line; sizes[kept] = size }
function show(prefix,  digits, n, bytes, left) {
    if (columns != "") print "columns " columns
    for (digits = 8; digits >= 0; digits--)
        for (n = 1; n <= kept; n++)
            if (sizes[n] == digits) {
                bytes += length(lines[n])
                if (bytes > 700000) left++
                else print prefix lines[n]
            }
    if (left) print "left " left
}
