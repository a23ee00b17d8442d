import FlashModel
import FlashTestSupport
import FlashWeights
import Foundation
import Testing

/// Damaged sources, by seed: whatever the bytes say, a source is read and planned or refused by a
/// `StoreError` that names a file. There is no trap, and no reservation for a size that is only
/// claimed.
struct SourceMutationTests {
  /// Twenty thousand mutations in an optimized build; the environment may ask for more.
  private static let count: Int = {
    let wanted = ProcessInfo.processInfo.environment["FLASHRUN_MUTATIONS"].flatMap { Int($0) }
    return wanted ?? (isOptimizedBuild ? 20_000 : 400)
  }()

  let folder: ProjectFiles.TemporaryFolder

  init() throws { folder = try ProjectFiles.TemporaryFolder(inMemory: true) }

  /// Whether the source is one that can be converted; its store is planned then.
  private func isTaken(_ path: String) throws -> Bool {
    do throws(StoreError) {
      let converter = try Converter(
        readingOnly: path, options: ConversionOptions(formats: StoreFormats()))
      let manifest = converter.manifest
      _ = try? Decoder.plan(manifest: manifest, unit: 512, options: DecoderOptions())
      return true
    } catch {
      try #require(error.file != nil, "\(error)")
      return false
    }
  }

  /// Mutates `original` before `front` again and again and reads the whole source each time.
  private func mutate(
    _ original: [UInt8], front: Int, isText: Bool, count: Int, seed: UInt64, file: String,
    source: String
  ) throws {
    try #require(try isTaken(source), "what is mutated is whole")
    var random = SplitMix(seed: seed)
    var takenCount = 0
    for _ in 0..<count {
      var bytes = original
      for _ in 0...random.below(3) {
        Mutation.apply(to: &bytes, front: front, isText: isText, &random)
      }
      if random.chance(0.05) { bytes.removeLast(random.below(bytes.count + 1)) }
      try Data(bytes).write(to: URL(filePath: file))
      if try isTaken(source) { takenCount += 1 }
    }
    #expect(takenCount < count, "most mutations matter")
  }

  @Test(arguments: [GGUFType.f32, .q8_0])
  func ggufFilesAreReadOrRefused(type: GGUFType) throws {
    var file = GGUFBuilder.llama(type: type)
    file.addTokenizer(type == .f32 ? "llama" : "gpt2", pre: "qwen2")
    let path = folder.path + "/model.gguf"
    try Data(file.bytes).write(to: URL(filePath: path))
    let front = try GGUFFile(path: path).dataOffset
    try mutate(
      file.bytes, front: front, isText: false, count: Self.count / 4,
      seed: UInt64(type.rawValue) + 20, file: path, source: path)
  }

  @Test(arguments: TinyModel.Family.allCases)
  func configurationsAreReadOrRefused(family: TinyModel.Family) throws {
    let path = folder.path + "/model"
    try TinyModel(family: family, seed: 3, keyValueHeads: [2, 2]).write(to: path)
    let text = try [UInt8](Data(contentsOf: URL(filePath: path + "/config.json")))
    try mutate(
      text, front: text.count, isText: true, count: Self.count / 10, seed: 30,
      file: path + "/config.json", source: path)
  }

  @Test func headersOfSafetensorsAreReadOrRefused() throws {
    let path = folder.path + "/model"
    try TinyModel(family: .deci, seed: 4, keyValueHeads: [2, 1]).write(to: path)
    let file = path + "/model.safetensors"
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: file)))
    let header = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    try mutate(
      bytes, front: 8 + header, isText: true, count: Self.count / 5, seed: 40, file: file,
      source: path)
  }

  /// Sizes that only a claim stands for are refused, and nothing is reserved for them.
  @Test(arguments: [1 << 31, 1 << 40, 1 << 60, Int.max])
  func absurdSizesAreRefused(size: Int) throws {
    let path = folder.path + "/model.gguf"
    for key in [
      "block_count", "embedding_length", "feed_forward_length", "attention.head_count",
      "attention.head_count_kv", "rope.dimension_count",
    ] {
      var file = GGUFBuilder.llama()
      let place = try #require(file.entries.firstIndex { $0.key == "llama.\(key)" })
      file.entries[place].value = .uint64(UInt64(size))
      try Data(file.bytes).write(to: URL(filePath: path))
      #expect(try !isTaken(path), "\(key)")
    }
    for place in [8, 16] {
      var bytes = GGUFBuilder.llama().bytes
      for byte in 0..<8 { bytes[place + byte] = UInt8(truncatingIfNeeded: size >> (8 * byte)) }
      try Data(bytes).write(to: URL(filePath: path))
      #expect(try !isTaken(path), "count at \(place)")
    }
  }
}

/// One change of a few bytes.
private enum Mutation {
  /// Numbers at which something overflows or has no end.
  private static let numbers: [UInt64] = [
    0, 1, 255, 1 << 16, 1 << 20, 1 << 31, 1 << 32, 1 << 40, 1 << 60, 1 << 62, 1 << 63, .max,
    .max - 1, UInt64(Int.max), UInt64(Int.max) - 31,
  ]
  /// What may stand for a value of JSON.
  private static let values = [
    "null", "true", "\"\"", "[]", "{}", "-1", "0", "1e308", "1e-320", "0.5", "1099511627776",
    "1152921504606846976", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "[[[[[[1]]]]]]", "[1,2,3]", "{\"a\":{}}", "\"\\ud800\"", "1 ",
  ].map { Array($0.utf8) }

  static func apply(
    to bytes: inout [UInt8], front: Int, isText: Bool, _ random: inout SplitMix
  ) {
    let front = min(front, bytes.count)
    guard front > 0 else { return }
    let place = random.below(front)
    switch random.below(isText ? 7 : 6) {
    case 0: bytes[place] = UInt8(random.below(256))
    case 1: bytes[place] ^= 1 << UInt8(random.below(8))
    case 2:
      let value: UInt8 = random.chance(0.5) ? 0xFF : 0
      for index in place..<min(place + 8, front) { bytes[index] = value }
    case 3: bytes.removeSubrange(place..<min(place + random.below(9), front))
    case 4:
      let number = numbers[random.below(numbers.count)]
      for (index, byte) in zip(place..<min(place + 8, front), 0...) {
        bytes[index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))
      }
    case 5:
      let end = min(place + random.below(40), front)
      bytes.insert(contentsOf: Array(bytes[place..<end]), at: random.below(front))
    default: replaceValue(in: &bytes, after: place, front: front, &random)
    }
  }

  /// Puts something else where a member's value stands.
  private static func replaceValue(
    in text: inout [UInt8], after place: Int, front: Int, _ random: inout SplitMix
  ) {
    guard let colon = text[place..<front].firstIndex(of: UInt8(ascii: ":")),
      let end = text[colon..<front].firstIndex(where: { ",}]".utf8.contains($0) })
    else { return }
    text.replaceSubrange(colon + 1..<end, with: values[random.below(values.count)])
  }
}
