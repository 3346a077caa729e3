using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Completes time zones by any part of their IANA or Windows id: <c>par</c> finds <c>Europe/Paris</c>.
/// </summary>
public sealed class TimeZoneCompleter : IArgumentCompleter
{
    /// <summary>What fits the word; ids that begin with it come first.</summary>
    /// <param name="commandName">The cmdlet.</param>
    /// <param name="parameterName">The parameter.</param>
    /// <param name="wordToComplete">What was typed so far, perhaps with a quote before it.</param>
    /// <param name="commandAst">The command as typed.</param>
    /// <param name="fakeBoundParameters">The other parameters.</param>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName,
        string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = (wordToComplete ?? "").Trim('\'', '"', '*');
        return TimeZones.KnownIds
            .Select(id => (Id: id, At: id.IndexOf(word, StringComparison.OrdinalIgnoreCase)))
            .Where(found => found.At >= 0)
            .OrderBy(found => found.At == 0 ? 0 : 1)
            .Select(found => new CompletionResult(found.Id.IndexOfAny([' ', '(']) < 0 ? found.Id : $"'{found.Id}'",
                found.Id, CompletionResultType.ParameterValue, found.Id));
    }
}
