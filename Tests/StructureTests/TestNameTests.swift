import Testing

/// The words of a camelCase or back-quoted name.
private func words(of name: Substring) -> Int {
  if name.first == "`" { return name.split(separator: " ").count }
  return name.enumerated().filter { $0.offset == 0 || $0.element.isUppercase }.count
}

/// The name of the function declared first in `lines`, with its line.
private func functionName(in lines: ArraySlice<Substring>) -> (name: Substring, line: Int)? {
  for (line, text) in zip(lines.indices, lines) {
    guard let keyword = text.ranges(of: "func ").first else { continue }
    let rest = text[keyword.upperBound...]
    let end = rest.first == "`" ? rest.dropFirst().firstIndex(of: "`") : rest.firstIndex(of: "(")
    return (end.map { rest[..<$0] } ?? rest, line)
  }
  return nil
}

/// Tests whose name is no sentence: fewer than three words, or underscores.
private func shortTestNames(in file: SourceFile) -> [Finding] {
  file.code.indices.filter { file.code[$0].hasWord("@Test") }.compactMap { line in
    guard let function = functionName(in: file.code[line...]) else {
      return file.finding(line: line, "@Test without a function")
    }
    guard words(of: function.name) < 3 || function.name.contains("_") else { return nil }
    return file.finding(line: function.line, "\(function.name): a test's name is a sentence")
  }
}

/// The access and the test library that the project does not use.
private func foreignTestHabits(in file: SourceFile) -> [Finding] {
  file.code.enumerated().filter { $0.element.hasWord("XCTest") }
    .map { file.finding(line: $0.offset, "tests use Swift Testing and package access") }
}

struct TestNameTests {
  @Test func testNamesAreSentences() {
    let findings = Repository.tests.flatMap(shortTestNames)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func testsUsePackageAccess() {
    let findings = Repository.tests.flatMap(foreignTestHabits)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test(arguments: [
    ("@Test func shortReadIsRequeued() {}", 0),
    ("@Test(arguments: [1, 2])\n  func everyWidthRoundTrips(width: Int) {}", 0),
    ("@Test func `a short read is requeued`() {}", 0),
    ("@Test func shortRead() {}", 1),
    ("@Test\nfunc short_read_is_requeued() {}", 1),
    ("// @Test func a() {}", 0),
    ("@Test let a = 1", 1),
  ])
  func shortTestNameIsFound(text: String, count: Int) {
    #expect(shortTestNames(in: SourceFile(path: "A.swift", text: text)).count == count)
  }

  @Test(arguments: [
    ("@testable import FlashIO", 0), ("import XCTest", 1), ("import Testing", 0),
    ("// XCTest", 0),
  ])
  func foreignTestHabitIsFound(text: String, count: Int) {
    #expect(foreignTestHabits(in: SourceFile(path: "A.swift", text: text)).count == count)
  }
}
