# upper_halves.awk: finds functions that use the upper halves of vector registers and never clear them
# (vzeroupper), in disassembly as `objdump -d -C --no-show-raw-insn` prints it. Registers 16 to 31 do not count:
# instructions of the baseline have no access to them. Exits with 1 if it finds one, or no function at all.

function check() {
  if (wide && !cleared) {
    print "never clears the upper halves that it uses: " name
    bad = 1
  }
  found += wide
}

/^[0-9a-f]+ <.*>:$/ {
  check()
  name = $0
  wide = cleared = 0
}
/%[yz]mm([0-9]|1[0-5])([^0-9]|$)/ { wide = 1 }
/\tvzeroupper/ { cleared = 1 }

END {
  check()
  if (!found) {
    print "no function that uses vectors of more than 128 bits"
    bad = 1
  }
  exit bad
}
