using System.Management.Automation;

namespace Natalia.Backup.Host;

/// <summary>Tab completion by the engine, with the module's own completers.</summary>
internal sealed class Completer(Engine engine)
{
    /// <summary>What may stand in the place of a part of the text.</summary>
    /// <param name="Start">Where that part begins.</param>
    /// <param name="Length">How long it is.</param>
    /// <param name="Texts">The candidates, best first.</param>
    public sealed record Candidates(int Start, int Length, IReadOnlyList<string> Texts);

    public Candidates Complete(string text, int cursor)
    {
        using var shell = PowerShell.Create();
        shell.Runspace = engine.Runspace;
        var found = CommandCompletion.CompleteInput(text, cursor, options: null, shell);
        return new Candidates(found.ReplacementIndex, found.ReplacementLength, [.. found.CompletionMatches.Select(m => m.CompletionText)]);
    }
}
