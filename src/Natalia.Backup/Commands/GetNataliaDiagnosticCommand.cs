using System.Collections;
using System.Management.Automation;
using System.Text;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Diagnostics;
using Natalia.Backup.Operations.Exports;

namespace Natalia.Backup.Commands;

/// <summary>Collects what somebody who helps needs: versions, connections, the last errors.</summary>
/// <remarks>
/// <para>Run it in the session in which something went wrong, after it did. It tells the versions of the module, of
/// PowerShell, of the system and of the libraries, the connections of the session, and the last errors of this module
/// with what lies behind them. No server is asked and no repository is read, so that it works when nothing else
/// does.</para>
/// <para>Nothing is sent anywhere. -Path writes a text file that you can read and send yourself. Known forms of
/// secrets, accounts, the user's name and the home folder are taken out; names of VMs, hosts, shares, buckets and
/// folders are not.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaDiagnostic</code>
/// <para>Shows the versions, and how many errors there were.</para>
/// </example>
/// <example>
/// <code>Get-NataliaDiagnostic -Path D:\rescue\natalia.txt</code>
/// <para>Writes all of it into a file, to be read and sent.</para>
/// </example>
/// <example>
/// <code>(Get-NataliaDiagnostic).Errors | Group-Object ErrorId -NoElement</code>
/// <para>Counts the last errors by their ids.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaDiagnostic", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(Diagnostic))]
public sealed class GetNataliaDiagnosticCommand : NataliaCommand
{
    /// <summary>A stack is cut off behind so much: it begins where the error was made.</summary>
    private const int StackCharacters = 4000;

    private const string PowerShellArea = "PowerShell";

    private readonly Redactor _redactor = Redactor.OfThisUser();

    /// <summary>
    /// A text file to write. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally. Left
    /// out, nothing is written.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>How many of the last errors are told of, 0 to 256.</summary>
    [Parameter]
    [ValidateRange(0, 256)]
    public int ErrorCount { get; set; } = 20;

    /// <summary>Replace a file of that name.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        string? file = null;
        if (Path is string written)
        {
            file = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, written)).ConfigureAwait(false);
            ExportDestination.EnsureWritable(file, Force);
        }
        var collector = new DiagnosticCollector(_redactor);
        (IReadOnlyList<DiagnosticFact> shell, IReadOnlyList<DiagnosticError> errors) =
            await OnPipelineAsync(() => (ReadShell(), ReadErrors())).ConfigureAwait(false);
        IReadOnlyList<DiagnosticFact> environment = collector.ReadEnvironment();
        var diagnostic = new Diagnostic
        {
            CollectedUtc = TimeProvider.System.GetUtcNow().UtcDateTime,
            ModuleVersion = Value(environment, "Version"),
            PowerShell = Value(shell, "Version"),
            OperatingSystem = $"{Value(environment, "Operating system")}, {Value(environment, "Architecture")}",
            Facts = [.. environment, .. shell],
            Connections = collector.ReadConnections(Registry),
            Errors = errors,
        };
        if (file is not null)
        {
            if (!await ShouldProcessAsync(file, "Write the diagnostic").ConfigureAwait(false)) return;
            diagnostic = diagnostic with { Path = file };
            AtomicFile.Write(file, new UTF8Encoding(false).GetBytes(diagnostic.Text), Force);
        }
        Emit(diagnostic);
    }

    private static string Value(IReadOnlyList<DiagnosticFact> facts, string name) =>
        facts.First(f => f.Name == name).Value;

    private IReadOnlyList<DiagnosticFact> ReadShell()
    {
        var table = SessionState.PSVariable.GetValue("PSVersionTable") as IDictionary;
        return
        [
            new(PowerShellArea, "Version", $"PowerShell {table?["PSVersion"]} {table?["PSEdition"]}".Trim()),
            new(PowerShellArea, "Host", $"{Host?.Name} {Host?.Version}"),
            new(PowerShellArea, "Language mode", $"{SessionState.LanguageMode}"),
            new(PowerShellArea, "ErrorActionPreference",
                $"{SessionState.PSVariable.GetValue("ErrorActionPreference")}"),
        ];
    }

    /// <summary>What the session remembers of errors of this module, newest first.</summary>
    private IReadOnlyList<DiagnosticError> ReadErrors()
    {
        List<DiagnosticError> errors = [];
        if (SessionState.PSVariable.GetValue("global:Error") is not IEnumerable remembered) return errors;
        foreach (object? one in remembered)
        {
            if (errors.Count == ErrorCount) break;
            object? bare = one is PSObject wrapped ? wrapped.BaseObject : one;
            if ((bare as ErrorRecord ?? (bare as IContainsErrorRecord)?.ErrorRecord) is not ErrorRecord record
                || !IsOurs(record))
                continue;
            DiagnosticError error = Describe(record);
            // One that stopped a script is remembered as the record and as what stopped it.
            if (errors.Count == 0 || errors[errors.Count - 1] is not { } last || last.ErrorId != error.ErrorId
                || last.Message != error.Message)
                errors.Add(error);
        }
        return errors;
    }

    private static bool IsOurs(ErrorRecord record) => record.Exception is NataliaException
        || record.FullyQualifiedErrorId.IndexOf("Natalia", StringComparison.Ordinal) >= 0
        || record.InvocationInfo?.MyCommand?.ModuleName == "Natalia.Backup";

    private DiagnosticError Describe(ErrorRecord record)
    {
        List<string> causes = [];
        Exception? innermost = record.Exception;
        for (Exception? cause = record.Exception?.InnerException; cause is not null; cause = cause.InnerException)
        {
            causes.Add(_redactor.Clean($"{cause.GetType().FullName}: {cause.Message} (0x{cause.HResult:X8})"));
            innermost = cause;
        }
        bool isForeseen = record.Exception is NataliaException { ErrorId: not ErrorIds.Unexpected };
        string? stack = isForeseen ? null : innermost?.StackTrace;
        return new DiagnosticError
        {
            // What a script throws is its own id.
            ErrorId = record.FullyQualifiedErrorId.Split(',')[0] is string id && id.All(c => c is '.' or '_'
                || char.IsLetterOrDigit(c)) ? id : record.Exception?.GetType().Name ?? "",
            Category = $"{record.CategoryInfo.Category}",
            Command = record.InvocationInfo?.MyCommand?.Name,
            Message = _redactor.Clean(record.Exception?.Message ?? $"{record}"),
            RecommendedAction = record.ErrorDetails?.RecommendedAction is { Length: > 0 } action
                ? _redactor.Clean(action)
                : null,
            Causes = causes,
            StackTrace = stack is null
                ? null
                : _redactor.Clean(stack.Length > StackCharacters ? stack.Substring(0, StackCharacters) : stack),
        };
    }
}
