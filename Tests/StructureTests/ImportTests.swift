import Testing

/// One `import` line.
private struct Import {
  let module: String
  let line: Int
}

/// The modules a Swift file imports, whatever attributes and access level stand before `import`.
private func imports(of file: SourceFile) -> [Import] {
  let prefixes: Set<Substring> = ["package", "internal", "public", "private", "fileprivate"]
  let kinds: Set<Substring> = [
    "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
  ]
  return file.code.enumerated().compactMap { line, text in
    let words = text.split(separator: " ").drop { prefixes.contains($0) || $0.hasPrefix("@") }
    guard words.first == "import" else { return nil }
    let module = words.dropFirst().drop { kinds.contains($0) }.first?.split(separator: ".").first
    return module.map { Import(module: String($0), line: line) }
  }
}

/// Imports that point up or sideways.
private func importsAgainstTheTable(in file: SourceFile) -> [Finding] {
  guard file.isSwift, let module = file.module else { return [] }
  guard let allowed = ModuleTable.imports[module] else {
    return [file.finding(line: 0, "target \(module) has no row in ModuleTable")]
  }
  return imports(of: file)
    .filter { ModuleTable.imports[$0.module] != nil && !allowed.contains($0.module) }
    .map { file.finding(line: $0.line, "\(module) may not import \($0.module)") }
}

/// C targets with no importer, more than one, or the wrong one.
private func wrongImportersOfC(in files: [SourceFile]) -> [String] {
  ModuleTable.importerOfC.sorted { $0.key < $1.key }.compactMap { target, expected in
    let importers = Set(
      files.filter { imports(of: $0).contains { $0.module == target } }.compactMap(\.module))
    return importers == [expected]
      ? nil
      : "\(target) is imported by \(importers.sorted()), and by \(expected) alone it should be"
  }
}

private func importsOfFoundation(in file: SourceFile) -> [Finding] {
  guard let module = file.module, ModuleTable.withoutFoundation.contains(module) else { return [] }
  return imports(of: file).filter { $0.module.hasPrefix("Foundation") }
    .map { file.finding(line: $0.line, "\(module) knows no Foundation") }
}

/// `public` and `open` declarations and imports outside the one target that has a public API.
private func publicNames(in file: SourceFile) -> [Finding] {
  guard file.isSwift, let module = file.module, module != "Flashrun" else { return [] }
  return file.code.enumerated().filter { _, text in
    text.hasWord("public")
      || ["open class", "open func", "open var"].contains { text.contains($0) }
  }
  .map { file.finding(line: $0.offset, "between targets it is package, not public") }
}

struct ImportTests {
  @Test func importsPointDown() {
    let findings = Repository.sources.flatMap(importsAgainstTheTable)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func everyArrowOfTheTablePointsDown() {
    for (module, below) in ModuleTable.imports {
      for target in below where module != "FlashrunCLI" && module != "FlashServer" {
        #expect(
          ModuleTable.imports[target]?.isStrictSubset(of: below.union(["CUring"])) == true
            || ModuleTable.imports[target]?.allSatisfy { $0.hasPrefix("C") } == true,
          "\(module) imports \(target) but not what is below it")
        #expect(ModuleTable.imports[target]?.contains(module) == false)
      }
    }
  }

  @Test func eachCTargetHasOneImporter() {
    #expect(wrongImportersOfC(in: Repository.sources).isEmpty)
  }

  @Test func lowerTargetsKnowNoFoundation() {
    let findings = Repository.sources.flatMap(importsOfFoundation)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func onlyFlashrunIsPublic() {
    let findings = Repository.sources.flatMap(publicNames)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test(arguments: [
    ("FlashIO", "import FlashWeights", 1),
    ("FlashIO", "@_exported package import struct FlashModel.Decoder", 1),
    ("FlashServer", "internal import FlashModel", 1),
    ("FlashWeights", "package import FlashIO\ninternal import Glibc", 0),
    ("FlashIO", "// import FlashWeights", 0),
    ("FlashNews", "let a = 1", 1),
  ])
  func upwardImportIsFound(module: String, text: String, count: Int) {
    let file = SourceFile(path: "Sources/\(module)/A.swift", text: text)
    #expect(importsAgainstTheTable(in: file).count == count)
  }

  @Test func secondImporterOfCIsFound() {
    let right = [
      SourceFile(path: "Sources/FlashIO/A.swift", text: "internal import CUring"),
      SourceFile(
        path: "Sources/FlashKernels/A.swift",
        text: "internal import CFlashKernels\ninternal import COpenBLAS"),
    ]
    #expect(wrongImportersOfC(in: right).isEmpty)
    #expect(wrongImportersOfC(in: Array(right.dropLast())).count == 2)
    let second = SourceFile(path: "Sources/FlashModel/A.swift", text: "import CUring")
    #expect(wrongImportersOfC(in: right + [second]).count == 1)
  }

  @Test(arguments: [
    ("FlashModel", "internal import FoundationEssentials", 1),
    ("FlashIO", "import class Foundation.Thread", 1),
    ("FlashText", "import Foundation", 0),
    ("FlashKernels", "// no Foundation\nimport Glibc", 0),
  ])
  func foundationBelowIsFound(module: String, text: String, count: Int) {
    let file = SourceFile(path: "Sources/\(module)/A.swift", text: text)
    #expect(importsOfFoundation(in: file).count == count)
  }

  @Test(arguments: [
    ("FlashrunCLI", "public struct A {}", 1),
    ("FlashIO", "open class A {}", 1),
    ("FlashIO", "/// public\nlet a = open(path)", 0),
    ("Flashrun", "public struct A {}", 0),
  ])
  func publicElsewhereIsFound(module: String, text: String, count: Int) {
    let file = SourceFile(path: "Sources/\(module)/A.swift", text: text)
    #expect(publicNames(in: file).count == count)
  }
}
