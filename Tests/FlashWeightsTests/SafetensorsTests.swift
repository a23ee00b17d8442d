import FlashIO
import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Safetensors headers, true and false ones.
struct SafetensorsTests {
  private struct Manifest: Decodable {
    struct Case: Decodable {
      var file: String
      var expect: String
    }
    var cases: [Case]
  }

  /// Our name for each of the reference implementation's errors.
  private static let kinds: [String: StoreError.Kind] = [
    "HeaderTooSmall": .headerTooSmall, "HeaderTooLarge": .headerTooLarge,
    "InvalidHeaderLength": .headerLength, "InvalidHeader": .headerNotUTF8,
    "InvalidHeaderDeserialization": .headerNotJSON, "TensorInvalidInfo": .sizeMismatch,
    "ValidationOverflow": .sizeOverflow, "InvalidOffset": .invalidOffset,
    "MetadataIncompleteBuffer": .dataLength,
  ]

  @Test(.enabled(if: SharedFiles.has("vectors/safetensors"), "shared/vectors is missing"))
  func publishedVectorsAreJudgedAsTheReferenceDoes() throws {
    let folder = SharedFiles.path("vectors/safetensors/")
    let manifest = try JSONDecoder().decode(
      Manifest.self, from: Data(contentsOf: URL(filePath: folder + "manifest.json")))
    #expect(manifest.cases.count >= 17)
    for vector in manifest.cases {
      var found: StoreError.Kind?
      do {
        _ = try SafetensorsFile(path: folder + vector.file)
      } catch {
        found = error.kind
        #expect(error.file == folder + vector.file)
      }
      if vector.expect == "ok" {
        #expect(found == nil, "\(vector.file)")
      } else {
        #expect(found == Self.kinds[vector.expect], "\(vector.file): \(vector.expect)")
      }
    }
  }

  @Test(arguments: [
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"#
        + #""data_offsets":[0,1]}}"#, 1, StoreError.Kind.duplicateKey
    ),
    (#"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1, .duplicateKey),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[0],"#
        + #""data_offsets":[1,1]}}"#, 1, .duplicateKey
    ),
    (#"{"__metadata__":{"x":"1","x":"2"}}"#, 0, .duplicateKey),
    (#"{"__metadata__":{"x":1}}"#, 0, .headerNotJSON),
    (#"{"a":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}}"#, 1, .unknownDataType),
    (#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1, .headerNotJSON),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}"#, 1, .invalidTensorEntry),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}"#, 1, .invalidOffset),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}"#, 1, .headerNotJSON),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, 1,
      .invalidOffset
    ),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2, .invalidOffset),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"#
        + #""data_offsets":[1,3]}}"#, 3, .invalidOffset
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,2]}}"#, 2, .sizeMismatch),
    (#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#, 1, .sizeMismatch),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 2, .dataLength),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 0, .dataLength),
    (
      #"{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}}"#, 1,
      .headerNotJSON
    ),
    ("[]", 0, .headerNotJSON), ("", 0, .headerNotJSON), ("{}x", 0, .headerNotJSON),
    ("{\0}\0", 0, .headerNotJSON),
  ])
  func falseHeaderIsRefused(json: String, dataByteCount: Int, kind: StoreError.Kind) throws {
    let error = #expect(throws: StoreError.self) {
      try SafetensorsHeader(
        json: Array(json.utf8), fileByteCount: 8 + json.utf8.count + dataByteCount, file: "x")
    }
    #expect(error?.kind == kind)
    #expect(error?.category == .badData)
  }

  @Test func leadingBlanksAndAnyOrderAreAccepted() throws {
    let json =
      " \n\t{\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[3,7]},"
      + "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
      + "\"e\":{\"dtype\":\"F4\",\"shape\":[2,0],\"data_offsets\":[3,3]},"
      + "\"__metadata__\":{\"format\":\"pt\"}}  "
    let header = try SafetensorsHeader(
      json: Array(json.utf8), fileByteCount: 8 + json.utf8.count + 7, file: "x")
    #expect(header.tensors.map(\.name) == ["a", "e", "b"])
    #expect(header.metadata == ["format": "pt"])
    #expect(header.tensors[2].extent.offset == 8 + json.utf8.count + 3)
  }

  @Test func pointerFileIsExplained() throws {
    let folder = ScratchFolder()
    let text =
      "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "0", count: 64))"
      + "\nsize 9976578928\n"
    try Data(text.utf8).write(to: URL(filePath: folder / "model.safetensors"))
    let error = #expect(throws: StoreError.self) {
      try SafetensorsFile(path: folder / "model.safetensors")
    }
    #expect(error?.kind == .pointerFile)
    #expect(error?.description.contains("git lfs pull") == true)
  }

  /// Twenty thousand mutations of true headers: each is refused with an error or accepted, and
  /// what is accepted lies inside the file.
  @Test func mutatedHeadersNeverLeadOutOfTheFile() throws {
    var generator = SplitMix(seed: 20_000)
    let folder = ScratchFolder()
    var model = TinyModel(family: .llama, seed: 3, keyValueHeads: [2])
    try model.write(to: folder / "a")
    model.type = .bf16
    try model.write(to: folder / "b")
    let files = try ["a", "b"].map {
      [UInt8](try Data(contentsOf: URL(filePath: folder / "\($0)/model.safetensors")))
    }
    var accepted = 0
    for _ in 0..<20_000 {
      let original = files[generator.below(files.count)]
      let (lengthField, json) = mutate(original, &generator)
      let fileByteCount = original.count + [0, 0, 0, -1, 1, -64].randomElement(using: &generator)!
      do {
        let count = try SafetensorsHeader.byteCount(
          lengthField: lengthField, fileByteCount: fileByteCount, file: "x")
        // The header as a file with this length field would give it.
        let text = Array((json + original.dropFirst(8 + json.count)).prefix(count))
        guard text.count == count else { continue }
        let header = try SafetensorsHeader(json: text, fileByteCount: fileByteCount, file: "x")
        accepted += 1
        for tensor in header.tensors {
          #expect(tensor.extent.offset >= 8 + count && tensor.extent.end <= fileByteCount)
        }
      } catch {
        #expect(error.category == .badData)
      }
    }
    // The mutations are mild enough that some headers stay true.
    #expect(accepted > 100)
  }

  /// The length field and the header's text with one to three changes.
  private func mutate(
    _ file: [UInt8], _ generator: inout SplitMix
  ) -> (lengthField: [UInt8], json: [UInt8]) {
    var lengthField = Array(file.prefix(8))
    let count = lengthField.reversed().reduce(0) { $0 << 8 | Int($1) }
    var json = Array(file[8..<8 + count])
    for _ in 0...generator.below(3) {
      let place = generator.below(json.count)
      switch generator.below(7) {
      case 0: json[place] ^= 1 << UInt8(generator.below(8))
      case 1:
        json[place] = Array("{}[]\",:0123456789-eE.\\u \0".utf8).randomElement(using: &generator)!
      case 2: json.remove(at: place)
      case 3: json.insert(json[generator.below(json.count)], at: place)
      case 4:
        let end = min(json.count, place + generator.below(40))
        json.insert(contentsOf: json[place..<end], at: generator.below(json.count))
      case 5: if generator.below(8) == 0 { json.removeLast(generator.below(json.count / 2)) }
      default:
        if generator.below(4) == 0 {
          lengthField[generator.below(8)] ^= 1 << UInt8(generator.below(8))
        }
      }
    }
    if generator.below(4) != 0 {
      lengthField = (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
    }
    return (lengthField, json)
  }
}
