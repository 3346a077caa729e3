using System.Management.Automation.Language;
using Natalia.Backup.Host.Screen;

namespace Natalia.Backup.Host;

/// <summary>Reads commands from the terminal and runs them, until 'exit' or Ctrl-D.</summary>
internal sealed class Prompt(Engine engine, Terminal terminal)
{
    public int Run()
    {
        engine.AtPrompt = true;
        terminal.Write(
            $"natalia {Program.Version}, PowerShell engine {engine.Evaluate("$PSVersionTable.PSVersion").FirstOrDefault()}. " +
            $"Get-Command -Module Natalia.Backup lists what there is, Get-Help NAME explains it; exit leaves.{Environment.NewLine}");

        var editor = new LineEditor(terminal, new Completer(engine));
        while (!engine.Leaving)
        {
            var text = Read(editor);
            if (text is null)
                break;
            if (!string.IsNullOrWhiteSpace(text))
                engine.RunTyped(text);
        }

        return engine.Exit ?? ExitCodes.Success;
    }

    /// <summary>One complete command, over as many lines as it takes; null at the end of the input.</summary>
    private string? Read(LineEditor editor)
    {
        var text = "";
        while (true)
        {
            var line = editor.ReadLine(text.Length == 0 ? PromptText() : ">> ", () => engine.Leaving);
            switch (line)
            {
                case { Kind: LineKind.End }:
                    return null;
                case { Kind: LineKind.Cancelled }:
                    return "";
            }

            text = text.Length == 0 ? line.Text : text + "\n" + line.Text;

            // An empty line ends a command that is still incomplete, so that its error can be seen.
            if (line.Text.Length == 0 || !IsIncomplete(text))
                return text;
        }
    }

    internal static bool IsIncomplete(string text)
    {
        Parser.ParseInput(text, out _, out var errors);
        return errors.Any(e => e.IncompleteInput);
    }

    private string PromptText()
    {
        var shown = string.Concat(engine.Evaluate("prompt").Select(p => p?.ToString()));
        return shown.Length == 0 ? "natalia> " : shown;
    }
}
