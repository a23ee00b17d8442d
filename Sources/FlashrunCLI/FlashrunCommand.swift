import ArgumentParser

@main struct FlashrunCommand: ParsableCommand {}
