import Testing

private let declarationWords: Set<Substring> = [
  "struct", "class", "enum", "actor", "protocol", "extension", "func", "let", "var", "typealias",
  "macro",
]

/// The line and name of every declaration at a Swift file's top level.
private func topLevelDeclarations(in file: SourceFile) -> [(line: Int, name: Substring)] {
  file.code.enumerated().compactMap { line, text in
    guard let first = text.first, first != " ", first != "}", first != "#" else { return nil }
    let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
    guard let word = words.firstIndex(where: declarationWords.contains) else { return nil }
    return (line, words.dropFirst(word + 1).first ?? "")
  }
}

/// Whether the line above a declaration, past its attributes, ends a doc comment.
private func hasDocComment(_ file: SourceFile, above line: Int) -> Bool {
  let above = file.lines[..<line].last { !$0.hasPrefix("@") } ?? ""
  return above.hasPrefix("///") || above.hasSuffix("*/")
}

/// Files that do not say what they own: the type named like the file, or else the first
/// declaration, has no doc comment; a C file does not begin with a comment.
private func filesWithoutOpening(in file: SourceFile) -> [Finding] {
  guard file.isSwift else {
    let opens = file.lines.first.map { $0.hasPrefix("/*") || $0.hasPrefix("//") } ?? false
    return opens ? [] : [file.finding(line: 0, "begins with no comment that says what it owns")]
  }
  let declarations = topLevelDeclarations(in: file)
  let name = file.name.split(whereSeparator: { $0 == "." || $0 == "+" }).first
  guard let main = declarations.first(where: { $0.name == name }) ?? declarations.first,
    !hasDocComment(file, above: main.line)
  else { return [] }
  return [file.finding(line: main.line, "\(main.name) has no doc comment that says what it owns")]
}

/// Words of unfinished work, spelled so that this file is not found by itself.
private let unfinishedWords = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]

private func unfinishedLines(in file: SourceFile) -> [Finding] {
  file.lines.enumerated().flatMap { line, text in
    unfinishedWords.filter(text.hasWord).map { file.finding(line: line, "\($0): finish it") }
  }
}

struct CommentTests {
  @Test func filesSayWhatTheyOwn() {
    let systemLibraries = ["CUring", "COpenBLAS"]
    let findings = Repository.sources
      .filter { !$0.isGenerated && !systemLibraries.contains($0.module ?? "") }
      .flatMap(filesWithoutOpening)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func nothingIsLeftUnfinished() {
    let findings = (Repository.sources + Repository.tests).flatMap(unfinishedLines)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test(arguments: [
    ("/// What it owns.\npackage struct A {}", 0),
    ("import Glibc\n\n/// What it owns.\n@safe\npackage struct A {}", 0),
    ("/**\n What it owns.\n */\npublic final class A {}", 0),
    ("struct Helper {}\n\n/// What it owns.\nstruct A {}", 0),
    ("/// More of it.\nextension A {\n  func a() {}\n}", 0),
    ("struct A {}", 1),
    ("// What it owns.\nstruct A {}", 1),
    ("/// A helper.\nstruct Helper {}\n\nstruct A {}", 1),
    ("import Glibc\n\nextension B {\n}", 1),
  ])
  func fileWithoutOpeningIsFound(text: String, count: Int) {
    let file = SourceFile(path: "Sources/FlashIO/A.swift", text: text)
    #expect(filesWithoutOpening(in: file).count == count)
  }

  @Test func cFileWithoutOpeningIsFound() {
    let path = "Sources/CFlashKernels/a.c"
    #expect(filesWithoutOpening(in: SourceFile(path: path, text: "// It.\nint a;")).isEmpty)
    #expect(filesWithoutOpening(in: SourceFile(path: path, text: "int a;")).count == 1)
  }

  @Test func unfinishedLineIsFound() {
    for word in unfinishedWords {
      let file = SourceFile(path: "A.swift", text: "let a = 1  // \(word): later")
      #expect(unfinishedLines(in: file).count == 1)
      let part = SourceFile(path: "A.swift", text: "let a\(word)b = 1")
      #expect(unfinishedLines(in: part).isEmpty)
    }
  }
}
