# Entries of a conntrack table to figures about it, one a line. The kernel lists entries in the order of
# a keyed hash: the first rows are a fair sample, so that 20,000 keys of a kind are enough for the largest.
function add(A, kind, k) {
if (k in A) A[k]++
else if (keys[kind] < 20000) { A[k] = 1; keys[kind]++ }
else rest[kind]++
}
function net6(a, i, l, r, n, m, k, g, h) {
i = index(a, "::")
if (i) {
l = substr(a, 1, i - 1); r = substr(a, i + 2)
n = l == "" ? 0 : split(l, g, ":"); m = r == "" ? 0 : split(r, h, ":")
for (k = n + 1; k <= 8 - m; k++) g[k] = 0
for (k = 1; k <= m; k++) g[8 - m + k] = h[k]
} else split(a, g, ":")
return g[1] ":" g[2] ":" g[3] ":" g[4] "::/64"
}
function top(A, word, k, i, m) {
for (k in A) {
if (m == N && A[k] <= V[m]) continue
for (i = m < N ? ++m : m; i > 1 && V[i - 1] < A[k]; i--) { V[i] = V[i - 1]; K[i] = K[i - 1] }
V[i] = A[k]; K[i] = k
}
for (i = 1; i <= m; i++) print word, V[i], K[i] (word == "snat" ? " " low[K[i]] " " high[K[i]] : "")
}
function show(k, i) {
print "==> listing " label " <=="
print "by", by
if (ended != "") print "exit", ended
if (count != "") print "count", count
if (limit != "") print "limit", limit
print "rows", rows, odd
print "distinct", keys["src"] + 0, rest["src"] + 0
print "flags", unreplied, assured, closing, stuck
for (k in fam) print "family", fam[k], k
for (k in st) print "state", st[k], k
top(src, "source"); top(net, "network"); top(dst, "destination"); top(nat, "snat")
for (k in all) {
printf "idle %d %s %d", all[k], k, vague[k]
for (i = 1; i <= 8; i++) printf " %d", old[k, i]
print ""
}
}
function clear() {
by = ended = count = limit = name = ""
rows = odd = unreplied = assured = closing = stuck = 0
split("", keys); split("", rest); split("", fam); split("", st); split("", src); split("", net); split("", dst)
split("", nat); split("", low); split("", high); split("", all); split("", vague); split("", old); split("", T)
}
BEGIN {
split("60 300 3600 7440 21600 86400 172800", B, " ")
C["FIN_WAIT"]; C["CLOSE_WAIT"]; C["LAST_ACK"]; C["TIME_WAIT"]; C["CLOSE"]
}
$1 == "listing" { if (label != "") show(); clear(); label = $2; next }
$1 == "by" { by = $2; next }
$1 == "exit" { ended = $2; next }
by == "" {
if ($1 == "==>") name = $2
else if (NF) {
if (name ~ /conntrack_count$/) count = $1
else if (name ~ /conntrack_max$/) limit = $1
else if (sub(/.*conntrack_/, "", name)) T[name] = $1
name = ""
}
next
}
{
# Of GRE the list of the kernel tells two timeouts more.
for (s = 5; s < 9 && substr($s, 1, 4) != "src="; s++);
for (r = s + 2; r <= NF && substr($r, 1, 4) != "src="; r++);
as = 0
for (i = r + 2; i <= NF && substr($i, 1, 4) != "use="; i++) if ($i == "[ASSURED]" || index($i, "OFFLOAD]")) as = 1
if (s == 9 || s == 8 && $3 != "gre" || i > NF) { odd++; next }
un = $(r - 1) == "[UNREPLIED]"
rows++; fam[$1]++
p = $3; from = substr($s, 5); back = substr($(r + 1), 5); ports = substr($(s + 2), 1, 6) == "sport="
left = s > 5 && $5 ~ /^[0-9]+$/ ? $5 : ""
word = s == 7 ? $6 : s == 6 && left == "" ? $5 : un ? "unreplied" : as ? "assured" : "replied"
done = p == "tcp" && word in C
unreplied += un; closing += done
if (as) { assured++; stuck += !done }
st[p " " word]++
add(src, "src", from)
if ($1 == "ipv4") { k = from; sub(/\.[0-9]+$/, ".0/24", k) } else k = net6(from)
add(net, "net", k)
add(dst, "dst", p " " substr($(s + 1), 5) " " (ports ? substr($(s + 3), 7) : "-"))
if (ports && (back != from || substr($(r + 3), 7) != substr($(s + 2), 7))) {
k = p " " back " " substr($r, 5) " " substr($(r + 2), 7)
add(nat, "nat", k)
v = substr($(r + 3), 7) + 0
if (k in nat) {
if (!(k in low) || v < low[k]) low[k] = v
if (!(k in high) || v > high[k]) high[k] = v
}
}
if (p == "tcp" || p == "sctp" || p == "dccp") k = p "_timeout_" (word == "SYN_SENT2" ? "syn_sent" : tolower(word))
else if (p == "udp" || p == "udplite" || p == "gre") k = (p == "gre" ? p : "udp") "_timeout" (as ? "_stream" : "")
else k = (p ~ /^icmp/ ? p : "generic") "_timeout"
if (left == "" || !(k in T)) next
t = T[k]; k = p " " word " " t; all[k]++
u = T["tcp_timeout_max_retrans"] + 0
if (T["tcp_timeout_unacknowledged"] + 0 > u) u = T["tcp_timeout_unacknowledged"] + 0
# Of a short rest it is not known whether it is left of this timeout, or is that of a lost answer.
if (left + 0 > t + 0 || p == "tcp" && t + 0 > u && left + 0 <= u) { vague[k]++; next }
for (i = 1; i < 8 && t - left > B[i]; i++);
old[k, i]++
}
END { if (label != "") show() }
