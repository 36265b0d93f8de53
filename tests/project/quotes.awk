# See quotes.sh.

function complain(reason) {
  printf "%s:%d: %s\n", FILENAME, FNR, reason
  complaints++
}

function contents(name,    line, text, status) {
  text = ""
  while ((status = (getline line < name)) > 0) text = text line "\n"
  close(name)
  if (status < 0) complain(name " cannot be read")
  return text
}

function check_block(    text) {
  text = contents(file)
  if (whole && block != text) complain("this is not all of " file)
  if (!whole && index(text, block) == 0) complain("this is not from " file)
}

/^<!-- (from|all of) [^ ]+ -->$/ {
  file = $(NF - 1)
  whole = $2 == "all"
  block = ""
  announced = FNR
  next
}

file != "" && FNR == announced + 1 {
  if ($0 !~ /^```/) complain("a code block should follow")
  next
}

file != "" && $0 == "```" {
  check_block()
  file = ""
  next
}

file != "" { block = block $0 "\n" }

END { exit complaints > 0 }
