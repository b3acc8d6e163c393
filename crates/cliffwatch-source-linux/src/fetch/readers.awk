{
    split($2, path, "/")
    facts = row(path[3])
    if (facts != "") keep($1 "\t" path[3] "\t" facts)
}
END { show("") }
