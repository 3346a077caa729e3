namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>Text of examples that cannot be the same in a test.</summary>
/// <param name="Pattern">A regular expression.</param>
/// <param name="To">What is typed in its place, as <see cref="System.Text.RegularExpressions.Regex"/> takes it.</param>
/// <param name="Reason">Why it cannot be typed as it stands.</param>
internal sealed record TextChange(string Pattern, string To, string Reason);
