# upper_halves.awk: finds functions that return with the upper halves of vector registers in use (without
# vzeroupper), in disassembly as `objdump -d -C --no-show-raw-insn` prints it. Instructions are taken in their order,
# so of the ways through a function it sees those without jumps. Registers 16 to 31 do not count: instructions of the
# baseline have no access to them. Exits with 1 if it finds such a function, or none that uses these halves.

/^[0-9a-f]+ <.*>:$/ {
  name = $0
  wide = 0
}
/%[yz]mm([0-9]|1[0-5])([^0-9]|$)/ { wide = found = 1 }
/\tvzero(upper|all)/ { wide = 0 }
/\t(repz )?ret/ {
  if (wide && name != reported) {
    print "returns with upper halves in use: " name
    reported = name
    bad = 1
  }
}
/\t((repz )?ret|jmp)/ { wide = 0 }

END {
  if (!found) {
    print "no function that uses vectors of more than 128 bits"
    bad = 1
  }
  exit bad
}
