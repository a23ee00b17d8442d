import FlashTestSupport
import Foundation
import Testing

@testable import FlashWeights

/// Reading GGUF files: well-formed ones are read, all others refused with the place of the fault.
struct GGUFReaderTests {
  let folder = ScratchFolder()

  private struct Vectors: Decodable {
    struct Case: Decodable {
      var file: String
      var expect: String
    }
    var cases: [Case]
  }

  private func write(_ bytes: [UInt8], _ name: String = "model.gguf") throws -> String {
    try Data(bytes).write(to: URL(filePath: folder / name))
    return folder / name
  }

  private func refusal(_ bytes: [UInt8]) throws -> StoreError {
    let path = try write(bytes)
    return try #require(throws: StoreError.self) { try GGUFFile(path: path) }
  }

  @Test(.enabled(if: SharedFiles.has("vectors/gguf"), "the shared vectors are missing"))
  func everyPublishedFileIsAcceptedOrRefused() throws {
    let path = SharedFiles.path("vectors/gguf")
    let text = try Data(contentsOf: URL(filePath: path + "/manifest.json"))
    for vector in try JSONDecoder().decode(Vectors.self, from: text).cases {
      var problem: StoreError?
      do throws(StoreError) {
        _ = try GGUFFile(path: path + "/" + vector.file)
      } catch {
        problem = error
      }
      #expect(
        (problem == nil) == (vector.expect == "accept"),
        "\(vector.file): \(problem?.description ?? "accepted")")
      if let problem {
        #expect(problem.category == .badData && problem.file != nil && problem.offset != nil)
      }
    }
  }

  @Test(arguments: [UInt32(2), 3])
  func metadataAndTensorsAreRead(version: UInt32) throws {
    var file = GGUFBuilder.llama()
    file.version = version
    file.addTokenizer("llama")
    let read = try GGUFFile(path: try write(file.bytes))
    #expect(read.version == Int(version) && read.hasData && !read.isPowerInfer)
    #expect(try read.string("general.architecture") == "llama")
    #expect(read.entries["llama.block_count"]?.integer == 2)
    #expect(try read.numbers("llama.attention.head_count_kv", GGUFEntry.integer) == [2, 1])
    #expect(try read.strings("tokenizer.ggml.tokens")?.count == 96)
    #expect(read.tensors.map(\.name) == file.tensors.map(\.name))
    for (tensor, written) in zip(read.tensors, file.tensors) {
      #expect(tensor.dimensions == written.dimensions)
      #expect(
        try read.data.file.bytes(at: tensor.offset, byteCount: tensor.byteCount) == written.bytes)
    }
  }

  @Test func valuesOfEveryTypeAreRead() throws {
    var file = GGUFBuilder.llama()
    file.entries += [
      ("x.u8", .uint8(200)), ("x.i8", .int8(-3)), ("x.u16", .uint16(60_000)),
      ("x.i16", .int16(-300)), ("x.u32", .uint32(4_000_000_000)), ("x.i32", .int32(-70_000)),
      ("x.u64", .uint64(1 << 60)), ("x.i64", .int64(-1 << 40)), ("x.f32", .float(0.5)),
      ("x.f64", .double(0.1)), ("x.bool", .bool(true)), ("x.string", .string("ü")),
      ("x.bools", .bools([true, false])), ("x.floats", .floats([1, .nan])),
      ("x.strings", .strings(["a", ""])), ("x.empty", .int32s([])),
    ]
    let path = try write(file.bytes)
    let read = try GGUFFile(path: path)
    let whole = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"]
    #expect(
      whole.map { read.entries["x.\($0)"]?.integer } == [
        200, -3, 60_000, -300, 4_000_000_000, -70_000, 1 << 60, -1 << 40,
      ])
    #expect(read.entries["x.f32"]?.number == 0.5 && read.entries["x.f64"]?.number == 0.1)
    #expect(read.entries["x.bool"]?.bool == true && read.entries["x.u8"]?.bool == nil)
    #expect(try read.string("x.string") == "ü")
    #expect(try read.numbers("x.bools", GGUFEntry.json) == [.bool(true), .bool(false)])
    #expect(try read.numbers("x.floats", GGUFEntry.json) == nil, "NaN is no JSON")
    #expect(try read.strings("x.strings") == [[UInt8(ascii: "a")], []])
    #expect(try read.numbers("x.empty", GGUFEntry.integer) == [])
    let json = try GGUFSource(path: path).configuration
    #expect(json[path: "x.i64"]?.integer == -1 << 40 && json[path: "x.string"]?.string == "ü")
  }

  @Test func powerInferMagicIsTold() throws {
    var file = GGUFBuilder.llama()
    file.magic = "PWRI"
    let path = try write(file.bytes)
    #expect(try GGUFFile(path: path).isPowerInfer)
    #expect(try GGUFSource(path: path).configuration[path: "derived.activation"]?.string == "relu")
  }

  @Test func otherByteOrderIsTold() throws {
    var file = GGUFBuilder.llama()
    file.version = file.version.byteSwapped
    #expect(try refusal(file.bytes).problem.contains("byte order"))
  }

  /// Metadata alone are a file; a cut inside them or inside the data is not.
  @Test func everyTruncationIsRefused() throws {
    let bytes = GGUFBuilder.llama().bytes
    let whole = try GGUFFile(path: try write(bytes))
    for count in stride(from: 0, to: bytes.count - 1, by: 211) {
      let path = try write(Array(bytes[..<count]), "cut.gguf")
      let read = try? GGUFFile(path: path)
      let isMetadata = count >= whole.dataOffset - 32 && count <= whole.dataOffset
      #expect((read == nil) || isMetadata && read?.hasData == false, "\(count) bytes")
    }
    let path = try write(Array(bytes[..<whole.dataOffset]), "cut.gguf")
    #expect(try !GGUFFile(path: path).hasData)
    let error = #expect(throws: StoreError.self) { try GGUFSource(path: path) }
    #expect(error?.kind == .gguf)
  }

  @Test func refusalsNameKeyOrTensor() throws {
    var twice = GGUFBuilder.llama()
    twice.entries.append(twice.entries[0])
    #expect(try refusal(twice.bytes).key == "general.architecture")
    var tensors = GGUFBuilder.llama()
    tensors.tensors[3].name = tensors.tensors[2].name
    #expect(try refusal(tensors.bytes).tensor == tensors.tensors[2].name)
    var alignment = GGUFBuilder.llama()
    alignment.entries.append(("general.alignment", .uint32(24)))
    #expect(try refusal(alignment.bytes).key == "general.alignment")
    alignment.entries[alignment.entries.count - 1].value = .uint64(32)
    #expect(try refusal(alignment.bytes).expected == "uint32")
  }

  /// The parts of a model: metadata and the first tensors, then the rest.
  private func writeParts(count: Int, names: [String]) throws {
    let whole = GGUFBuilder.llama()
    for part in 0..<count {
      var file = GGUFBuilder()
      if part == 0 { file.entries = whole.entries }
      file.entries += [
        ("split.no", .uint32(UInt32(part))), ("split.count", .uint32(UInt32(count))),
        ("split.tensors.count", .int32(Int32(whole.tensors.count))),
      ]
      file.tensors = whole.tensors.enumerated().filter { $0.offset % count == part }.map(\.element)
      _ = try write(file.bytes, names[part])
    }
  }

  @Test func partsAreOneModel() throws {
    let names = (1...3).map { "m-0000\($0)-of-00003.gguf" }
    try writeParts(count: 3, names: names)
    let model = try GGUFModel(path: folder / names[0])
    #expect(model.files.count == 3)
    let tensors = try GGUFSource(path: folder / names[0]).tensors
    #expect(tensors.count == GGUFBuilder.llama().tensors.count)
    let second = #expect(throws: StoreError.self) { try GGUFModel(path: folder / names[1]) }
    #expect(second?.problem.contains("give the first") == true)
    try FileManager.default.removeItem(atPath: folder / names[2])
    let missing = #expect(throws: StoreError.self) { try GGUFModel(path: folder / names[0]) }
    #expect(missing?.kind == .missingShard)
    try FileManager.default.copyItem(atPath: folder / names[1], toPath: folder / names[2])
    let wrong = #expect(throws: StoreError.self) { try GGUFModel(path: folder / names[0]) }
    #expect(wrong?.key == "split.no")
    // A part of another model of as many parts.
    var other = GGUFBuilder()
    other.entries = [
      ("split.no", .uint32(2)), ("split.count", .uint32(3)), ("split.tensors.count", .int32(1)),
    ]
    other.add("x", [1], [1])
    _ = try write(other.bytes, names[2])
    let mixed = #expect(throws: StoreError.self) { try GGUFModel(path: folder / names[0]) }
    #expect(mixed?.key == "split.tensors.count" && mixed?.file == folder / names[2])
  }
}
