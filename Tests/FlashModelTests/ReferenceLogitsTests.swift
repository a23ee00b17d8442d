import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FoundationEssentials
import Testing

/// Logits equal those of transformers and llama2.c, family by family.
struct ReferenceLogitsTests {
  static let families = [
    "llama", "llama3-rope", "llama-relu", "llama-yarn", "deci", "deci-relu", "opt", "falcon-40b",
    "gemma3-linear", "phi3-longrope", "stablelm-parallel",
  ]

  @Test(arguments: families, [3, 64])
  func logitsEqualTheFamilyReference(family: String, chunk: Int) throws {
    let folder = ProjectFiles.fixtures + "/families/" + family
    let converted = try ConvertedStore(folder, .f32)
    let reference = try Reference(folder + "/reference.safetensors")
    var options = DecoderOptions()
    options.prefillChunk = chunk
    let logits = try DecoderRuns.logits(converted.store, reference.tokens, options: options)
    #expect(DecoderRuns.relativeDifference(logits, reference.logits) < 1e-4)
  }

  @Test(arguments: InstructionSet.supported)
  func everyInstructionSetGivesTheReference(isa: InstructionSet) throws {
    let folder = ProjectFiles.fixtures + "/families/deci-relu"
    let converted = try ConvertedStore(folder, .f32)
    let reference = try Reference(folder + "/reference.safetensors")
    var options = DecoderOptions()
    options.instructionSet = isa
    let logits = try DecoderRuns.logits(converted.store, reference.tokens, options: options)
    #expect(DecoderRuns.relativeDifference(logits, reference.logits) < 1e-4)
  }

  @Test(.enabled(if: ProjectFiles.shared("models/stories260K") != nil, "shared folder is missing"))
  func logitsEqualThoseOfLlama2C() throws {
    let folder = try #require(ProjectFiles.shared("models/stories260K"))
    let converted = try ConvertedStore(folder, .f32)
    let tokens = try Reference.array(Int32.self, folder + "/reference-tokens.i32")
    let expected = try Reference.array(Float.self, folder + "/reference-logits.f32")
    let logits = try DecoderRuns.logits(converted.store, tokens, options: DecoderOptions())
    #expect(DecoderRuns.relativeDifference(logits, expected) < 1e-4)
  }
}

/// Tokens and logits of a reference file.
struct Reference {
  var tokens: [Int32]
  var logits: [Float]

  init(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    let bytes = try Data(contentsOf: URL(filePath: path))
    func values<Value: BitwiseCopyable>(_ type: Value.Type, _ name: String) throws -> [Value] {
      let tensor = try #require(file.header.tensors.first { $0.name == name })
      let start = tensor.extent.offset
      return Self.array(type, bytes[start..<start + tensor.extent.byteCount])
    }
    tokens = try values(Int32.self, "input_ids")
    logits = try values(Float.self, "logits")
  }

  static func array<Value: BitwiseCopyable>(_ type: Value.Type, _ path: String) throws -> [Value] {
    array(type, try Data(contentsOf: URL(filePath: path)))
  }

  private static func array<Value: BitwiseCopyable>(_ type: Value.Type, _ data: Data) -> [Value] {
    let stride = MemoryLayout<Value>.stride
    let bytes = [UInt8](data)
    return unsafe bytes.withUnsafeBytes { raw in
      (0..<raw.count / stride).map {
        unsafe raw.loadUnaligned(fromByteOffset: $0 * stride, as: type)
      }
    }
  }
}
