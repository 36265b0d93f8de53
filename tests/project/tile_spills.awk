# tile_spills.awk: reads `objdump -d -C --no-show-raw-insn` of x86-64 code and looks at every function
# RunTile, RunMatrixTile or RunRowTile<vector type, rows, width, ...>, and RunWindows<vector type, windows, width, ...>
# with four rows to a window, for AVX2 and better: in its k loops no vector may go through the stack. Prints each tile
# where one does, then how many tiles there were; exit status 1 if one does, or if there is no tile at all. (The tiles
# for SSE are not looked at: they have half the registers, and few machines need them.)

# The k loops, of which a tile can have two (one asks for the next tile's memory), are the jumps backwards over
# rows * width multiply-adds and a broadcast for each row, but little else, that are around no other such jump. Jumps over
# twice as much are none where tiles are large: the ends of those have two steps one after the other.
function check_tile(   i, j, loops, first, last, spills) {
  tiles++
  loops = 0
  for (i = 1; i <= count; i++) {
    if (operation[i] !~ /^j/ || !(target[i] in index_of)) continue
    j = index_of[target[i]]
    if (j > i || !once(products[i] - products[j - 1], rows * width)) continue
    if (!once(broadcasts[i] - broadcasts[j - 1], rows)) continue
    if (i - j > 20 + 6 * (products[i] - products[j - 1]) || (loops > 0 && j <= first[loops])) continue
    loops++
    first[loops] = j
    last[loops] = i
  }
  if (loops == 0) { print name ": no k loop with " rows " x " width " multiply-adds"; bad++; return }
  # The largest tile of AVX2 with a mask, for the last columns of a matrix, needs all 16 registers for sums, B, A
  # and the mask: clang 14 keeps one of them on the stack.
  full = name ~ /N_AVX2/ && part[3] == "true" && rows * width + width + 2 == 16
  for (j = 1; j <= loops; j++) {
    spills = 0
    for (i = first[j]; i <= last[j]; i++) {
      if (operands[i] !~ /%[xyz]mm/ || operation[i] ~ /broadcast/ || operands[i] ~ /\{1to/) continue
      if (operands[i] ~ /\(%rsp/ || (framed && operands[i] ~ /\(%rbp/)) spills++
    }
    if (spills > (full ? 2 : 0)) {
      print name ": " spills " of " last[j] - first[j] + 1 " instructions of k loop " j " move vectors to or from the stack"
      bad++
      return
    }
  }
}

function once(found, expected) { return found >= expected && (rows * width < 12 || found < 2 * expected) }

function begin_function(   parameters) {
  inside = $0 ~ /N_AVX[0-9A-Z_]*::.*Run((Matrix|Row)?Tile|Windows)</
  if (!inside) return
  name = substr($0, index($0, "<") + 1)
  sub(/\(nnkernels::detail::.*/, "", name)
  sub(/^void nnkernels::/, "", name)
  parameters = name
  sub(/.*Simd<[^>]*>, /, "", parameters)  # "14, 2, false, float>"
  split(parameters, part, ", ")
  rows = name ~ /RunWindows</ ? 4 * part[1] : part[1]
  width = part[2]
  count = framed = 0
  products[0] = broadcasts[0] = 0
  split("", index_of)
}

/^[0-9a-f]+ <.*>:$/ {
  if (inside) check_tile()
  begin_function()
  next
}

inside && /^ *[0-9a-f]+:\t/ {
  count++
  address = $1
  sub(/:$/, "", address)
  index_of[address] = count
  operation[count] = $2
  target[count] = $3
  operands[count] = $0
  sub(/^[^\t]*\t[^ ]* */, "", operands[count])
  # Without fused multiply-adds each has one multiplication.
  products[count] = products[count - 1] + ($2 ~ /^vfn?madd/ || $2 ~ /^v?mul[ps][sd]$/)
  broadcasts[count] = broadcasts[count - 1] + ($2 ~ /broadcast/ || operands[count] ~ /\{1to/)
  if ($2 == "mov" && $3 == "%rsp,%rbp") framed = 1
}

END {
  if (inside) check_tile()
  print tiles + 0 " tiles, " bad + 0 " with spills"
  exit bad > 0 || tiles == 0
}
