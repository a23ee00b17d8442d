import Testing

private let columnLimit = 100
private let fileLineLimit = 400

/// Lines wider than the limit, in characters.
private func wideLines(in file: SourceFile) -> [Finding] {
  if file.isGenerated { return [] }
  return file.lines.enumerated().filter { $0.element.count > columnLimit }
    .map {
      file.finding(line: $0.offset, "\($0.element.count) columns; \(columnLimit) is the limit")
    }
}

private func longFiles(in file: SourceFile) -> [Finding] {
  let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
  if file.isGenerated || count <= fileLineLimit { return [] }
  return [file.finding(line: count - 1, "\(count) lines; \(fileLineLimit) is the limit")]
}

private func longFunctions(in file: SourceFile) -> [Finding] {
  functionBodies(in: file).filter { $0.lineCount > functionLineLimit }
    .map {
      file.finding(line: $0.first, "\($0.lineCount) lines; \(functionLineLimit) is the limit")
    }
}

struct SizeTests {
  private static let files = Repository.sources + Repository.tests

  @Test func linesFitInOneHundredColumns() {
    let findings = Self.files.flatMap(wideLines)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func filesHaveFourHundredLinesAtMost() {
    let findings = Self.files.flatMap(longFiles)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func functionsHaveSeventyLinesAtMost() {
    let findings = Self.files.flatMap(longFunctions)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func functionsOfTheRepositoryAreSeen() {
    #expect(Repository.sources.flatMap(functionBodies).count > 10)
  }

  @Test func wideLineIsFound() {
    let wide = String(repeating: "é", count: columnLimit)
    #expect(wideLines(in: SourceFile(path: "A.swift", text: wide)).isEmpty)
    #expect(wideLines(in: SourceFile(path: "A.swift", text: "\n\(wide)x\n")).count == 1)
    let generated = "// Made by scripts/it\n\(wide)x"
    #expect(wideLines(in: SourceFile(path: "A.swift", text: generated)).isEmpty)
  }

  @Test func longFileIsFound() {
    let full = String(repeating: "x\n", count: fileLineLimit)
    #expect(longFiles(in: SourceFile(path: "A.swift", text: full)).isEmpty)
    #expect(longFiles(in: SourceFile(path: "A.swift", text: full + "x")).count == 1)
    #expect(
      longFiles(in: SourceFile(path: "A.swift", text: "// Made by scripts/it\n" + full)).isEmpty)
  }

  @Test(arguments: ["A.swift", "A.c"])
  func longFunctionIsFound(path: String) {
    let head = path == "A.c" ? "int a(void)" : "func a()"
    let body = { (count: Int) in "\(head) {\n" + String(repeating: "x();\n", count: count) + "}\n" }
    #expect(longFunctions(in: SourceFile(path: path, text: body(functionLineLimit - 2))).isEmpty)
    #expect(longFunctions(in: SourceFile(path: path, text: body(functionLineLimit - 1))).count == 1)
  }
}
