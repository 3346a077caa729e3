namespace Natalia.Backup.Testing;

/// <summary>
/// Of a test, or of all tests of a class: Wine is laxer or poorer than Windows in what it looks at, so that its answer
/// under Wine means nothing. It runs on Linux and on Windows all the same.
/// </summary>
/// <param name="reason">Why, in half a sentence.</param>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
public sealed class WineCannotTellAttribute(string reason) : Attribute
{
    public string Reason { get; } = reason;
}
