using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;

namespace Natalia.Backup.Host.Screen;

/// <summary>What the engine writes to and asks: output to stdout, everything else to stderr.</summary>
internal sealed class TerminalInterface(Terminal terminal) : PSHostUserInterface
{
    public override PSHostRawUserInterface RawUI { get; } = new TerminalRawInterface(terminal);

    public override bool SupportsVirtualTerminal => terminal.Coloured;

    // The engine leaves it to the host to take out the colours that $PSStyle.OutputRendering does not want.
    public override void Write(string value) => terminal.Write(GetOutputString(value, SupportsVirtualTerminal));

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value)
    {
        // -1 stands for "as it is".
        var style = terminal.Coloured && (int)foregroundColor >= 0 ? PSStyle.MapForegroundColorToEscapeSequence(foregroundColor) : "";
        if (terminal.Coloured && (int)backgroundColor >= 0)
            style += PSStyle.MapBackgroundColorToEscapeSequence(backgroundColor);
        terminal.Write(style.Length == 0 ? value : style + value + PSStyle.Instance.Reset);
    }

    public override void WriteLine(string value) => Write(value + Environment.NewLine);

    public override void WriteErrorLine(string value) => terminal.WriteErrorLine(value);

    public override void WriteWarningLine(string message) => terminal.WriteMessage("WARNING", PSStyle.Instance.Formatting.Warning, message);

    public override void WriteVerboseLine(string message) => terminal.WriteMessage("VERBOSE", PSStyle.Instance.Formatting.Verbose, message);

    public override void WriteDebugLine(string message) => terminal.WriteMessage("DEBUG", PSStyle.Instance.Formatting.Debug, message);

    public override void WriteProgress(long sourceId, ProgressRecord record) => terminal.ShowProgress(sourceId, record);

    public override string ReadLine()
    {
        terminal.DemandSomebody("a line of input");
        return terminal.ReadLine();
    }

    public override SecureString ReadLineAsSecureString()
    {
        terminal.DemandSomebody("a secret");
        return terminal.ReadSecret();
    }

    public override Dictionary<string, PSObject?> Prompt(string caption, string message, Collection<FieldDescription> descriptions)
    {
        terminal.DemandSomebody(string.Join(", ", descriptions.Select(d => d.Name)));
        Introduce(caption, message);
        return descriptions.ToDictionary(d => d.Name, Answer);
    }

    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        terminal.DemandSomebody(message);
        Introduce(caption, message);
        var keys = choices.Select(ChoiceKey.From).ToList();
        while (true)
        {
            var offered = string.Join("  ", keys.Select(k => k.ToString()));
            var byDefault = defaultChoice >= 0 ? $" (default is \"{keys[defaultChoice].Shown}\")" : "";
            terminal.Ask($"{offered}  [?] Help{byDefault}: ");
            var answer = terminal.ReadLine().Trim();
            if (answer.Length == 0 && defaultChoice >= 0)
                return defaultChoice;
            if (answer == "?")
            {
                for (var i = 0; i < choices.Count; i++)
                    terminal.Ask($"{keys[i].Shown} - {choices[i].HelpMessage}\n");
                continue;
            }

            var chosen = keys.FindIndex(k => k.Answers(answer));
            if (chosen >= 0)
                return chosen;
        }
    }

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) =>
        PromptForCredential(caption, message, userName, targetName, PSCredentialTypes.Default, PSCredentialUIOptions.Default);

    public override PSCredential PromptForCredential(
        string caption, string message, string userName, string targetName, PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options)
    {
        terminal.DemandSomebody(string.IsNullOrEmpty(message) ? "user name and password" : message);
        Introduce(caption, message);
        if (string.IsNullOrEmpty(userName))
        {
            terminal.Ask("User: ");
            userName = terminal.ReadLine();
        }

        terminal.Ask($"Password for user {userName}: ");
        return new PSCredential(userName, terminal.ReadSecret());
    }

    private PSObject? Answer(FieldDescription field)
    {
        var type = field.ParameterTypeFullName;
        if (type == typeof(PSCredential).FullName)
            return PSObject.AsPSObject(PromptForCredential("", field.Name, "", ""));
        if (type == typeof(SecureString).FullName)
        {
            terminal.Ask(field.Name + ": ");
            return PSObject.AsPSObject(terminal.ReadSecret());
        }

        if (!type.EndsWith("[]", StringComparison.Ordinal))
        {
            terminal.Ask(field.Name + ": ");
            return PSObject.AsPSObject(terminal.ReadLine());
        }

        List<string> items = [];
        while (true)
        {
            terminal.Ask($"{field.Name}[{items.Count}]: ");
            var item = terminal.ReadLine();
            if (item.Length == 0)
                return PSObject.AsPSObject(items.ToArray());
            items.Add(item);
        }
    }

    private void Introduce(string caption, string message)
    {
        foreach (var line in new[] { caption, message }.Where(l => !string.IsNullOrEmpty(l)))
            terminal.Ask(line + "\n");
    }

    /// <summary>One choice of a question: "&amp;Yes" is answered by "Y" or "Yes".</summary>
    private sealed record ChoiceKey(string Label, string HotKey)
    {
        public string Shown => HotKey.Length > 0 ? HotKey : Label;

        public static ChoiceKey From(ChoiceDescription choice)
        {
            var mark = choice.Label.IndexOf('&', StringComparison.Ordinal);
            return mark >= 0 && mark + 1 < choice.Label.Length
                ? new ChoiceKey(choice.Label.Remove(mark, 1), choice.Label.Substring(mark + 1, 1).ToUpperInvariant())
                : new ChoiceKey(choice.Label, "");
        }

        public bool Answers(string answer) =>
            answer.Equals(Label, StringComparison.OrdinalIgnoreCase) || (HotKey.Length > 0 && answer.Equals(HotKey, StringComparison.OrdinalIgnoreCase));

        public override string ToString() => $"[{Shown}] {Label}";
    }
}
