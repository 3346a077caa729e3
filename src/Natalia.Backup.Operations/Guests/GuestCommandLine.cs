using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Guests;

/// <summary>
/// A program in the guest and its arguments, as a user writes them: a list, or one text that is split at blanks, with
/// single or double quotes around what holds blanks. No shell is there, so nothing of it is expanded but the names in
/// braces that the caller gives a meaning to.
/// </summary>
internal static class GuestCommandLine
{
    private const int MaximumArguments = 100;
    private const int MaximumLength = 2000;

    /// <summary>The arguments, the program first.</summary>
    /// <param name="text">A list, or one text.</param>
    /// <param name="parameter">Which parameter it is, for the error.</param>
    /// <exception cref="NataliaException"><c>GuestCommandInvalid</c>.</exception>
    internal static IReadOnlyList<string> Parse(IReadOnlyList<string> text, string parameter)
    {
        IReadOnlyList<string> arguments = text.Count == 1 ? Split(text[0], parameter) : text;
        if (arguments.Count == 0 || string.IsNullOrWhiteSpace(arguments[0]))
            throw Invalid(parameter, "it names no program.");
        if (arguments.Count > MaximumArguments || arguments.Sum(a => a.Length) > MaximumLength)
            throw Invalid(parameter, $"it has more than {MaximumArguments} arguments or {MaximumLength} characters.");
        if (arguments.Any(a => a.Contains('\0'))) throw Invalid(parameter, "it holds a character with the code 0.");
        return [.. arguments];
    }

    /// <summary>The arguments with values for <c>{name}</c>.</summary>
    internal static IReadOnlyList<string> Expand(IReadOnlyList<string> arguments,
        params (string Name, string Value)[] values) =>
        [.. arguments.Select(a => values.Aggregate(a, (text, v) => text.Replace("{" + v.Name + "}", v.Value)))];

    /// <summary>The arguments as one line, for people.</summary>
    internal static string Describe(IReadOnlyList<string> arguments) =>
        DisplayText.CleanLine(string.Join(" ", arguments.Select(a => a.Length == 0 || a.Contains(' ') ? $"'{a}'" : a)));

    private static List<string> Split(string text, string parameter)
    {
        List<string> arguments = [];
        StringBuilder? current = null;
        char quote = '\0';
        foreach (char c in text)
        {
            if (quote != '\0')
            {
                if (c == quote) quote = '\0';
                else current!.Append(c);
            }
            else if (c is '\'' or '"')
            {
                quote = c;
                current ??= new StringBuilder();
            }
            else if (!char.IsWhiteSpace(c)) (current ??= new StringBuilder()).Append(c);
            else if (current is not null)
            {
                arguments.Add(current.ToString());
                current = null;
            }
        }
        if (quote != '\0') throw Invalid(parameter, $"a quote {quote} does not end.");
        if (current is not null) arguments.Add(current.ToString());
        return arguments;
    }

    private static NataliaException Invalid(string parameter, string why) =>
        new(ErrorIds.GuestCommandInvalid, NataliaErrorKind.InvalidArgument,
            $"The command of -{parameter} cannot be used: {why}", parameter,
            "Give the program and its arguments, as '/usr/bin/natalia-cli', 'check-integrity', or in one text.");
}
