namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>What came of a test.</summary>
/// <param name="Test">The test; null when it was stopped, or broke on something that nobody foresaw.</param>
/// <param name="Failure">Why there is no test; null when there is one.</param>
/// <param name="Left">What may still be there, in a full sentence; or null.</param>
internal sealed record RestoreTestOutcome(RestoreTest? Test, Exception? Failure, string? Left);
