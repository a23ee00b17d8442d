import Foundation

@testable import FlashText

/// The files that tests read, found from this file's place in the package.
enum TestFiles {
  static let package = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  /// The sample model's folder, part of the package.
  static let sample = package.appending(path: "Sources/FlashrunCLI/Resources/novels-13m")
  static let goldens = package.appending(path: "Tests/FlashTextTests/reference-goldens.json")
  /// Reference models and vectors, beside the package; tests without them are skipped.
  static let shared = package.deletingLastPathComponent().appending(path: "shared")

  static var hasShared: Bool { FileManager.default.fileExists(atPath: shared.path) }

  static func tokenizer(in folder: URL, withConfiguration: Bool = false) throws -> Tokenizer {
    try Tokenizer(
      tokenizerJSON: Data(contentsOf: folder.appending(path: "tokenizer.json")),
      configurationJSON: withConfiguration
        ? Data(contentsOf: folder.appending(path: "tokenizer_config.json")) : nil)
  }

  static func json(_ url: URL) throws -> JSONValue {
    try JSONValue(utf8: Array(Data(contentsOf: url)), document: url.lastPathComponent)
  }
}

extension JSONValue {
  /// The value as JSON text.
  var text: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .string(let utf8): JSONText.quote(String(decoding: utf8, as: UTF8.self))
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{"
        + members.map { JSONValue.string($0.name).text + ":" + $0.value.text }
        .joined(separator: ",") + "}"
    }
  }

  /// An object with the members of another in the place of its own; inside `model` too.
  func overridden(by other: JSONValue) -> JSONValue {
    guard case .object(let own) = self, case .object(let new) = other else { return other }
    let kept = own.filter { member in !new.contains { $0.name == member.name } }
    return .object(
      kept
        + new.map { member in
          let old = own.first { $0.name == member.name && member.name == Array("model".utf8) }
          return Member(
            name: member.name, value: old?.value.overridden(by: member.value) ?? member.value)
        })
  }
}

/// A text with the ids and the texts that the reference makes of it.
struct Golden: Sendable {
  /// `nil` where only decoding is tested.
  var text: String?
  var ids: [Int32]
  /// Without begin and end tokens and with special tokens read as text.
  var plainIDs: [Int32]?
  var decoded: String
  /// Decoded without special tokens.
  var skipped: String

  init(_ node: JSONNode) throws {
    func ids(_ node: JSONNode) throws -> [Int32] { try node.elements().map { try $0.tokenID() } }
    text = try node.optional("text")?.string()
    self.ids = try ids(node.member("ids"))
    plainIDs = try node.optional("plain").map(ids)
    decoded = try node.optional("decoded")?.string() ?? text ?? ""
    skipped = try node.optional("skipped")?.string() ?? decoded
  }
}

/// Numbers that look random and are the same in every run (Steele et al. 2014, SplitMix64).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Equal to the scalar; `==` takes canonically equivalent texts for equal.
func isSame(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }
