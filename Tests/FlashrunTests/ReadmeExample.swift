import Flashrun

func continueStory(store: String) async throws -> String {
  let engine = try await Engine(opening: store)
  var options = GenerationOptions()
  options.maximumTokens = 32
  var story = ""
  for try await piece in engine.generate("Once upon a time", options: options).text {
    story += piece
  }
  return story
}
