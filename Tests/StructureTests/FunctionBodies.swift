/// The most lines a function may have, from the line of its name to its last brace.
let functionLineLimit = 70

/// Where a function stands: the lines from its name to its closing brace, counted from 0.
struct FunctionBody: Equatable {
  let first: Int
  let last: Int

  var lineCount: Int { last - first + 1 }
}

/// Every function body of a file, found by matching braces in code without comments and strings. In
/// Swift also initializers, subscripts and computed properties, at any depth; in C every block that
/// follows a closing parenthesis outside all braces.
func functionBodies(in file: SourceFile) -> [FunctionBody] {
  file.isSwift ? swiftFunctionBodies(in: file.code) : cFunctionBodies(in: file.code)
}

private func swiftFunctionBodies(in code: [Substring]) -> [FunctionBody] {
  let starts: Set<String> = ["func", "init", "deinit", "subscript", "var"]
  let others: Set<String> = ["struct", "class", "enum", "actor", "protocol", "extension", "let"]
  var bodies: [FunctionBody] = []
  var open: [Int?] = []
  var declaration: Int?
  var parentheses = 0
  for (line, text) in code.enumerated() {
    var word = ""
    var previous: Character = " "
    for character in text + " " {
      if character.isLetter || character.isNumber || character == "_" {
        if word.isEmpty, previous == "." { word = "." }
        word.append(character)
        previous = character
        continue
      }
      if parentheses == 0 {
        if starts.contains(word) { declaration = line }
        if others.contains(word) { declaration = nil }
      }
      word = ""
      previous = character
      switch character {
      case "(", "[": parentheses += 1
      case ")", "]": parentheses -= 1
      case "{":
        open.append(parentheses == 0 ? declaration : nil)
        if parentheses == 0 { declaration = nil }
      case "}":
        if let first = open.popLast() ?? nil {
          bodies.append(FunctionBody(first: first, last: line))
        }
      default: break
      }
    }
  }
  return bodies
}

private func cFunctionBodies(in code: [Substring]) -> [FunctionBody] {
  var bodies: [FunctionBody] = []
  var depth = 0
  var previous: Character = ";"
  var first = 0
  var function: Int?
  for (line, text) in code.enumerated() {
    if text.trimmed.hasPrefix("#") {
      previous = ";"
      continue
    }
    for character in text where character != " " && character != "\\" {
      if depth == 0, previous == ";" || previous == "}" { first = line }
      if character == "{" {
        if depth == 0 { function = previous == ")" ? first : nil }
        depth += 1
      } else if character == "}" {
        depth -= 1
        if depth == 0, let first = function {
          bodies.append(FunctionBody(first: first, last: line))
        }
      }
      previous = character
    }
  }
  return bodies
}
