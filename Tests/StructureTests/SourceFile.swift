import Foundation

/// A text file of the repository as the rules see it: its lines as written, and its code with
/// comments and string literals blanked, line for line.
struct SourceFile: Sendable {
  /// Relative to the repository's root, with `/`.
  let path: String
  let lines: [Substring]
  /// `lines` with spaces for every byte of a comment or a string literal.
  let code: [Substring]

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let language: MaskedLanguage = path.hasSuffix(".swift") ? .swift : .c
    code = maskingCommentsAndStrings(of: text, as: language)
      .split(separator: "\n", omittingEmptySubsequences: false)
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// The target in whose folder the file lies; nil outside `Sources`.
  var module: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  /// Whether the first line names the script that made the file: it may be as long and as wide as
  /// its data.
  var isGenerated: Bool { lines.first?.hasPrefix("// Made by scripts/") ?? false }

  func finding(line index: Int, _ message: String) -> Finding {
    Finding(path: path, line: index + 1, message: message)
  }
}

/// One place where the repository breaks a rule.
struct Finding: CustomStringConvertible, Sendable {
  let path: String
  let line: Int
  let message: String

  var description: String { "\(path):\(line): \(message)" }
}

/// The repository these tests were compiled in.
enum Repository {
  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let sources = files(under: "Sources")
  static let tests = files(under: "Tests")

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appending(path: path).path)
  }

  /// Every Swift and C file under a folder, in the order of its path.
  private static func files(under folder: String) -> [SourceFile] {
    let paths = FileManager.default.enumerator(atPath: root.appending(path: folder).path)
    return (paths.map { $0.compactMap { $0 as? String } } ?? [])
      .filter { $0.hasSuffix(".swift") || $0.hasSuffix(".c") || $0.hasSuffix(".h") }
      .sorted()
      .compactMap { path in
        (try? text("\(folder)/\(path)")).map { SourceFile(path: "\(folder)/\(path)", text: $0) }
      }
  }
}

extension [Finding] {
  /// One finding a line, for a failed expectation to show.
  var report: String { map(\.description).joined(separator: "\n") }
}
