# tile_spills.awk: reads `objdump -d -C --no-show-raw-insn` of x86-64 code and looks at every function
# RunTile, RunMatrixTile or RunRowTile<vector type, rows, width, ...>, and RunWindows<vector type, windows, width, ...>
# with four rows to a window, for AVX2 and better: in its k loop no vector may go through the stack. Prints each tile where one does, then how many tiles there were; exit status 1
# if one does, or if there is no tile at all. (The tiles for SSE are not looked at: they have half the registers, and few machines need them.)

# The k loop is the shortest jump backwards that has all rows * width multiply-adds in it.
function check_tile(   i, best, length_, from, spills) {
  best = 0
  for (i = 1; i <= count; i++) {
    if (operation[i] !~ /^j/ || !(target[i] in index_of)) continue
    from = index_of[target[i]]
    if (from > i || products[i] - products[from - 1] < rows * width) continue
    length_ = i - from + 1
    if (best == 0 || length_ < best) { best = length_; first = from; last = i }
  }
  tiles++
  if (best == 0) { print name ": no k loop with " rows " x " width " multiply-adds"; bad++; return }
  spills = 0
  for (i = first; i <= last; i++) {
    if (operands[i] !~ /%[xyz]mm/ || operation[i] ~ /broadcast/ || operands[i] ~ /\{1to/) continue
    if (operands[i] ~ /\(%rsp/ || (framed && operands[i] ~ /\(%rbp/)) spills++
  }
  # The largest tile of AVX2 with a mask, for the last columns of a matrix, needs all 16 registers for sums, B, A
  # and the mask: clang 14 keeps one of them on the stack.
  full = name ~ /N_AVX2/ && part[3] == "true" && rows * width + width + 2 == 16
  if (spills > (full ? 2 : 0)) {
    print name ": " spills " of " best " instructions of the k loop move vectors to or from the stack"
    bad++
  }
}

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
  products[0] = 0
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
  if ($2 == "mov" && $3 == "%rsp,%rbp") framed = 1
}

END {
  if (inside) check_tile()
  print tiles + 0 " tiles, " bad + 0 " with spills"
  exit bad > 0 || tiles == 0
}
