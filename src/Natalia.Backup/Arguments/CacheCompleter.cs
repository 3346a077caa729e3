using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Arguments;

/// <summary>Completes from what the runspace already knows. Shows nothing rather than an error.</summary>
public abstract class CacheCompleter : IArgumentCompleter
{
    private protected CacheCompleter() { }

    /// <summary>What fits the word.</summary>
    /// <param name="commandName">The cmdlet.</param>
    /// <param name="parameterName">The parameter.</param>
    /// <param name="wordToComplete">What was typed so far, perhaps with a quote before it.</param>
    /// <param name="commandAst">The command as typed.</param>
    /// <param name="fakeBoundParameters">The other parameters.</param>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName,
        string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            if (RunspaceSessions.TryForCurrent() is not SessionRegistry registry) return Nothing(wordToComplete);
            Line = new LineContext(commandAst, fakeBoundParameters);
            string word = (wordToComplete ?? "").Trim(LineContext.Quotes);
            NamePattern pattern = Wildcards.Parse(word + "*");
            List<CompletionResult> results = [.. GetCandidates(registry)
                // What would command the terminal is not put into the prompt; such a thing can be named by its id.
                .Where(c => (c.Text.StartsWith(word, StringComparison.OrdinalIgnoreCase) || pattern.MayMean(c.Text))
                    && DisplayText.IsPlain(c.Text))
                .Select(c => new CompletionResult(Quote(c.Text), c.Text, CompletionResultType.ParameterValue,
                    DisplayText.CleanLine(c.ToolTip)))];
            return results.Count > 0 ? results : Nothing(wordToComplete);
        }
        catch (Exception)
        {
            // A completion that fails must not disturb somebody who types.
            return Nothing(wordToComplete);
        }
    }

    /// <summary>
    /// What was typed, unchanged: PowerShell replaces an empty answer by the files of the current folder, which are
    /// never meant here.
    /// </summary>
    private static IEnumerable<CompletionResult> Nothing(string? word)
    {
        string same = string.IsNullOrEmpty(word) ? " " : word!;
        return [new CompletionResult(same, same, CompletionResultType.ParameterValue, "Nothing that is known fits.")];
    }

    /// <summary>What the rest of the line says.</summary>
    private protected LineContext Line { get; private set; } = new(null, null);

    /// <summary>Everything that could be meant, best first.</summary>
    private protected abstract IEnumerable<Candidate> GetCandidates(SessionRegistry registry);

    private protected readonly record struct Candidate(string Text, string ToolTip);

    /// <summary>
    /// The text as PowerShell reads it as one word. To PowerShell typographic quotes are quotes as well, and would end
    /// the text, so that what follows ran as a command; a word that begins with a dash is a parameter.
    /// </summary>
    private static string Quote(string text) =>
        text.Length > 0 && text[0] != '-' && text.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.')
            ? text
            : "'" + CodeGeneration.EscapeSingleQuotedStringContent(text) + "'";
}
