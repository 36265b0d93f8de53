# tile_spills.awk: reads `objdump -d -C --no-show-raw-insn` of x86-64 code and looks at every function
# RunTile, RunMatrixTile or RunRowTile<vector type, rows, width, ...>, RunWindows<vector type, windows, width, ...>
# with four rows to a window, and DotRows<rows, width, ...>, for AVX2 and better: in its k loops no vector may go through
# the stack, nor be loaded again by each multiply-add that needs it. Prints each tile where one is, then how many tiles
# there were; exit status 1 if one is, or if there is no tile at all. (The tiles for SSE are not looked at: they have
# half the registers, and few machines need them.)

# The k loops, of which a tile can have two (one asks for the next tile's memory), are the jumps backwards over
# rows * width multiply-adds and (not in DotRows) a broadcast for each row, but little else, that are around no other such
# jump. Jumps over twice as much are none where tiles are large: the ends of those have two steps one after the other.
function check_tile(   i, j, loops, first, last, spills, seen, again, from) {
  tiles++
  loops = 0
  for (i = 1; i <= count; i++) {
    if (operation[i] !~ /^j/ || !(target[i] in index_of)) continue
    j = index_of[target[i]]
    if (j > i || !once(products[i] - products[j - 1], rows * width)) continue
    if (!dots && !once(broadcasts[i] - broadcasts[j - 1], rows)) continue
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
    spills = again = 0
    split("", seen)
    for (i = first[j]; i <= last[j]; i++) {
      if (operands[i] !~ /%[xyz]mm/ || operation[i] ~ /broadcast/ || operands[i] ~ /\{1to/) continue
      if (operands[i] ~ /\(%rsp/ || (framed && operands[i] ~ /\(%rbp/)) spills++
      if (products[i] == products[i - 1] || !match(operands[i], /[-0-9a-fx]*\(%[^)]*\)/)) continue
      from = substr(operands[i], RSTART, RLENGTH)
      if (from in seen) again++
      seen[from] = 1
    }
    # In more than one step a pointer may have moved on in between.
    if (again > 0 && products[last[j]] - products[first[j] - 1] < 2 * rows * width) {
      print name ": " again " multiply-adds of k loop " j " load what one before them has loaded"
      bad++
      return
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
  inside = $0 ~ /N_AVX[0-9A-Z_]*::.*(Run((Matrix|Row)?Tile|Windows)|DotRows)</
  if (!inside) return
  name = substr($0, index($0, "<") + 1)
  sub(/>\(.*/, ">", name)
  sub(/^void nnkernels::/, "", name)
  dots = name ~ /DotRows</
  parameters = name
  sub(/.*(Simd<[^>]*>, |DotRows<)/, "", parameters)  # "14, 2, false, float>"
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
  print tiles + 0 " tiles, " bad + 0 " bad ones"
  exit bad > 0 || tiles == 0
}
