using System.Management.Automation;
using System.Reflection;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Errors;

/// <summary>
/// Whose the parameters are that a text names. What went wrong deep below names what is to be said differently, and
/// does not know the command that the user typed: where that one has no such parameter, the text would mislead.
/// </summary>
internal static class ParameterWords
{
    private const int MostOwners = 3;

    private static readonly Regex s_words = new(
        @"(?<command>\b[A-Z][a-z]+-[A-Z][A-Za-z]+)|(?<![\w-])-(?<parameter>[A-Z][A-Za-z]+)\b|(?<end>[.;:](?=\s|$))",
        RegexOptions.CultureInvariant);

    private static readonly Lazy<IReadOnlyDictionary<string, IReadOnlyList<string>>> s_owners = new(FindOwners);

    private static readonly HashSet<string> s_common =
        new(["WhatIf", "Confirm", "ErrorAction", "Verbose"], StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// The text, and behind it whose the parameters are that it names without a command and that this command does not
    /// have.
    /// </summary>
    /// <param name="text">What is to be said.</param>
    /// <param name="command">The class of the command that says it.</param>
    internal static string Complete(string text, Type command)
    {
        if (text.IndexOf('-') < 0) return text;
        string own = NameOf(command);
        List<string> foreign = [.. Unowned(text)
            .Where(p => !s_common.Contains(p)
                && s_owners.Value.TryGetValue(p, out IReadOnlyList<string>? owners) && !owners.Contains(own))
            .Distinct(StringComparer.OrdinalIgnoreCase)];
        if (foreign.Count == 0) return text;
        IEnumerable<string> sentences = foreign.GroupBy(p => string.Join(", ", s_owners.Value[p].Take(MostOwners)))
            .Select(g => Join(g.Select(p => "-" + p))
                + $" {Plural.Of(g.Count(), "is a parameter", "are parameters")} of "
                + $"{Join(g.Key.Split([", "], StringSplitOptions.None))}.");
        return $"{text} {string.Join(" ", sentences)}";
    }

    /// <summary>The parameters that a text names in a sentence that names no command before.</summary>
    internal static IEnumerable<string> Unowned(string text)
    {
        bool hasCommand = false;
        foreach (Match word in s_words.Matches(text))
        {
            if (word.Groups["end"].Success) hasCommand = false;
            else if (word.Groups["command"].Success) hasCommand = true;
            else if (!hasCommand) yield return word.Groups["parameter"].Value;
        }
    }

    private static string Join(IEnumerable<string> words)
    {
        string[] all = [.. words];
        return all.Length < 2
            ? string.Concat(all)
            : $"{string.Join(", ", all.Take(all.Length - 1))} and {all[all.Length - 1]}";
    }

    private static string NameOf(Type command) =>
        command.GetCustomAttribute<CmdletAttribute>() is CmdletAttribute cmdlet
            ? $"{cmdlet.VerbName}-{cmdlet.NounName}"
            : "";

    private static Dictionary<string, IReadOnlyList<string>> FindOwners() =>
        typeof(ParameterWords).Assembly.GetExportedTypes().Where(t => t.IsDefined(typeof(CmdletAttribute)))
            .SelectMany(t => t.GetProperties().Where(p => p.IsDefined(typeof(ParameterAttribute)))
                .SelectMany(p => (p.GetCustomAttribute<AliasAttribute>()?.AliasNames ?? []).Append(p.Name))
                .Select(p => (Parameter: p, Command: NameOf(t))))
            .GroupBy(p => p.Parameter, StringComparer.OrdinalIgnoreCase)
            .ToDictionary(g => g.Key,
                g => (IReadOnlyList<string>)[.. g.Select(p => p.Command).OrderBy(c => c, StringComparer.Ordinal)],
                StringComparer.OrdinalIgnoreCase);
}
