import Testing

/// A call or word that some targets may not use, and what to do instead.
private struct Ban: Sendable {
  let advice: String
  /// Whether the ban holds in a target.
  var applies: @Sendable (String) -> Bool = { _ in true }
  /// Whether a line of code breaks it.
  let isBroken: @Sendable (Substring) -> Bool
}

private let bans = [
  Ban(advice: "try! hides an error of the world; throw it", isBroken: { $0.contains("try!") }),
  Ban(
    advice: "fatalError says nothing of whose fault it is; use precondition or throw",
    isBroken: { $0.calls("fatalError") }),
  Ban(
    advice: "threads belong to the worker pool and the read engines",
    applies: ModuleTable.belowEngine.contains,
    isBroken: { line in
      line.hasWord("DispatchQueue") || line.hasWord("OperationQueue") || line.calls("Thread")
    }),
  Ban(
    advice: "nothing below Flashrun waits",
    applies: ModuleTable.belowEngine.contains,
    isBroken: { $0.contains("await ") || $0.hasWord("async") || $0.hasWord("Task") }),
  Ban(
    advice: "memory is mapped by FlashIO's arena only",
    applies: { $0 != "FlashIO" },
    isBroken: { $0.hasWord("mmap") || $0.hasWord("mmap64") }),
  Ban(
    advice: "only the command line prints",
    applies: { $0 != "FlashrunCLI" },
    isBroken: { $0.calls("print") || $0.calls("debugPrint") || $0.calls("dump") }),
]

private func bannedCalls(in file: SourceFile) -> [Finding] {
  guard let module = file.module, file.isSwift else { return [] }
  let active = bans.filter { $0.applies(module) }
  return file.code.enumerated().flatMap { line, text in
    active.filter { $0.isBroken(text) }.map { file.finding(line: line, $0.advice) }
  }
}

/// Types that promise the compiler they are safe to share, and do not say why in a comment above.
private func unexplainedSendables(in file: SourceFile) -> [Finding] {
  file.code.indices.filter { file.code[$0].contains("@unchecked Sendable") }.filter { line in
    let above = file.lines[..<line].reversed().drop { !$0.trimmed.hasPrefix("//") && $0 != "" }
    let comment = above.prefix { $0.trimmed.hasPrefix("//") }.joined()
    return !["Sendable", "thread", "unchecked"].contains { comment.contains($0) }
  }
  .map { file.finding(line: $0, "a comment above must say why it is safe to share") }
}

struct BannedCallTests {
  @Test func noTargetUsesABannedCall() {
    let findings = Repository.sources.flatMap(bannedCalls)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func uncheckedSendableSaysWhy() {
    let findings = (Repository.sources + Repository.tests).flatMap(unexplainedSendables)
    #expect(findings.isEmpty, "\(findings.report)")
  }

  @Test func noPythonAndNoStrayC() throws {
    let stray = Repository.sources.filter { !$0.isSwift && $0.module?.first != "C" }
    #expect(stray.map(\.path) == [])
  }

  @Test(arguments: [
    ("FlashIO", "let a = try! b()", 1),
    ("FlashrunCLI", "fatalError(\"no\")", 1),
    ("FlashWeights", "DispatchQueue.main.sync {}", 1),
    ("FlashModel", "await a()", 1),
    ("FlashWindow", "unsafe Glibc.mmap(nil)", 1),
    ("Flashrun", "print(1)", 1),
    ("FlashIO", "unsafe mmap(nil)", 0),
    ("Flashrun", "let a = await b()", 0),
    ("FlashrunCLI", "print(1)", 0),
    ("FlashIO", "// try! await mmap\nlet asynchronous = \"await\"", 0),
    ("FlashIO", "log.print(1); fingerprint(2); pool.await(batch)", 0),
  ])
  func bannedCallIsFound(module: String, text: String, count: Int) {
    let file = SourceFile(path: "Sources/\(module)/A.swift", text: text)
    #expect(bannedCalls(in: file).count == count)
  }

  @Test(arguments: [
    ("/// Shared between threads: a lock guards it.\nfinal class A: @unchecked Sendable {}", 0),
    ("/// Owns a ring.\nfinal class A: @unchecked Sendable {}", 1),
    ("// Sendable: never changes.\n@safe\nfinal class A:\n  @unchecked Sendable\n{}", 0),
    ("// A thread.\n\nextension A: @unchecked Sendable {}", 1),
    ("final class A: @unchecked Sendable {}", 1),
  ])
  func unexplainedSendableIsFound(text: String, count: Int) {
    #expect(unexplainedSendables(in: SourceFile(path: "A.swift", text: text)).count == count)
  }
}
