import Flashrun

/// Opens a store within 2 GiB and prints what the model writes, piece by piece.
func writeStory(from store: String) async throws {
  var options = EngineOptions()
  options.memoryLimit = .bytes(2 << 30)
  let engine = try await Engine(opening: store, options: options)

  var generation = GenerationOptions()
  generation.maximumTokens = 200
  for try await piece in engine.generate("Once upon a time", options: generation).text {
    print(piece, terminator: "")
  }
}
