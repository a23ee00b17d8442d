import Foundation
import Testing

/// The targets of a Markdown text's links, in order.
private func linkTargets(in text: Substring) -> [Substring] {
  text.ranges(of: "](").compactMap { range in
    let rest = text[range.upperBound...]
    return rest.firstIndex(of: ")").map { rest[..<$0] }
  }
}

/// The rows of the first table whose heading begins with `heading`, as cells without their edges.
private func tableRows(of text: String, heading: String) -> [[Substring]] {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    .drop { !$0.hasPrefix("| \(heading) |") }
  return lines.dropFirst(2).prefix { $0.hasPrefix("|") }
    .map { $0.split(separator: "|").map(\.trimmed) }
}

/// The first fenced block of a language, without its fences.
private func codeBlock(of text: String, language: String) -> String? {
  guard let start = text.ranges(of: "```\(language)\n").first?.upperBound,
    let end = text[start...].ranges(of: "```").first?.lowerBound
  else { return nil }
  return String(text[start..<end])
}

/// The names that may stand at the repository's top beside dot-files and what git ignores.
private let topLevelNames: Set<String> = [
  "LICENSE", "Package.swift", "Package.resolved", "README.md", "Sources", "Tests", "layouts",
  "scripts",
]

private func strayNames(among names: [String]) -> [String] {
  names.filter { !topLevelNames.contains($0) && !$0.hasPrefix(".") && !$0.hasSuffix(".flash") }
}

struct ReadmeTests {
  @Test func linksOfReadmeResolve() throws {
    let targets = linkTargets(in: try Repository.text("README.md")[...])
    let local = targets.filter { !$0.hasPrefix("http") && !$0.hasPrefix("#") }
    #expect(!local.isEmpty)
    #expect(local.filter { !Repository.exists(String($0)) } == [])
  }

  @Test func everyStepOfTheWalkNamesARealFile() throws {
    let rows = tableRows(of: try Repository.text("README.md"), heading: "step")
    #expect(rows.count == 11)
    for row in rows {
      let files = linkTargets(in: row.count > 1 ? row[1] : "")
      #expect(!files.isEmpty && files.allSatisfy { $0.hasPrefix("Sources/") }, "\(row)")
    }
  }

  @Test func everyTargetHasARowInReadme() throws {
    let rows = tableRows(of: try Repository.text("README.md"), heading: "module")
    let named = Set(rows.compactMap(\.first).map { $0.filter(\.isLetter) })
    #expect(named == Set(Repository.sources.compactMap(\.module)))
  }

  @Test func exampleOfReadmeIsTheCompiledOne() throws {
    let example = try Repository.text("Tests/FlashrunTests/ReadmeExample.swift")
    #expect(codeBlock(of: try Repository.text("README.md"), language: "swift") == example)
  }

  @Test func nothingElseLiesAtTheTop() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Repository.root.path)
    #expect(strayNames(among: names) == [])
  }

  @Test func linksAndTablesAreRead() {
    let text = "[a](b) ([c](d/e.swift))\n| step | file |\n| --- | --- |\n| x | [y](z) |\n\n| no |"
    #expect(linkTargets(in: text[...]) == ["b", "d/e.swift", "z"])
    #expect(tableRows(of: text, heading: "step") == [["x", "[y](z)"]])
    #expect(tableRows(of: text, heading: "other").isEmpty)
  }

  @Test func codeBlocksAreRead() {
    #expect(codeBlock(of: "a\n```sh\nb\n```\n```swift\nc\nd\n```\n", language: "swift") == "c\nd\n")
    #expect(codeBlock(of: "```sh\nb\n```\n", language: "swift") == nil)
  }

  @Test func strayTopLevelNameIsFound() {
    #expect(strayNames(among: ["README.md", ".ci", "notes.txt", "a.flash"]) == ["notes.txt"])
  }
}
