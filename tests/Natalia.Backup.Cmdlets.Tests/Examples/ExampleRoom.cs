using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Cmdlets.Tests.Examples;

/// <summary>
/// A session at which the lines of a document are typed as they stand: its drives are folders, it has a vault, and
/// somebody answers its questions. The servers that the lines name are simulated by who derives from it.
/// </summary>
internal abstract class ExampleRoom : IDisposable
{
    private const string Desk =
        """
        param($root, $vault)
        $global:vault = $vault
        $global:ConfirmPreference = 'None'
        foreach ($drive in 'C', 'D', 'N') {
            $null = New-PSDrive -Name $drive -PSProvider FileSystem -Root "$root/$drive" -Scope Global
        }
        Set-Location "$root/here"
        function global:Get-Secret([Parameter(Mandatory)] [string] $Name) { $vault.Get($Name) }
        function global:Set-Secret([Parameter(Mandatory)] [string] $Name, $Secret) { $vault.Set($Name, $Secret) }
        function global:Get-Credential($UserName, $Message) { $vault.Ask($UserName, $Message) }
        """;

    /// <summary>Warnings that say what the documents say, and not that something did not work.</summary>
    private static readonly string[] s_told =
    [
        // Advice on the account of a schedule, which -AsScheduled tries.
        "The runs ask Get-Secret for",
        // The first time that a host key is seen.
        "(trust on first use)",
    ];

    private readonly RecordingHost _host = new();
    private readonly EngineSession _session;
    private readonly TemporaryFolder _root = new();

    private readonly List<TextChange> _changes =
    [
        new(@"\\\\nas\\", @"N:\nas\", "A folder stands for the share of another machine."),
    ];

    protected ExampleRoom()
    {
        foreach (string folder in new[] { "C/ProgramData", "D", "N/nas/backup", "here" })
            Directory.CreateDirectory(_root[folder]);
        _session = new EngineSession(_host);
        Do(Desk, _root.Path, Vault);
    }

    internal Vault Vault { get; } = new();

    /// <summary>The full path of a file on one of the session's drives: <c>C/ProgramData/x</c>.</summary>
    internal string this[string place] => _root[place];

    /// <summary>Types an example, and looks whether each of its commands has had its effect.</summary>
    internal EngineSession.Result Run(string id)
    {
        string code = ExampleCorpus.Get(id).Code;
        Prepare(code);
        string typed = _changes.Aggregate(code, (text, change) => Regex.Replace(text, change.Pattern, change.To));
        // A new password is asked for twice.
        for (int i = 0; i < 4; i++) _host.Reply(Vault.PasswordText);
        EngineSession.Result result = _session.Run(typed);
        Assert.True(result.Errors.Count == 0, Text(result) + typed);
        Assert.DoesNotContain(result.Warnings, w => !s_told.Concat(Told).Any(
            t => w.Contains(t, StringComparison.Ordinal)));
        LookAtEffects(code, result);
        return result;
    }

    public virtual void Dispose()
    {
        _session.Dispose();
        _root.Dispose();
    }

    /// <summary>Further warnings that say what the documents say.</summary>
    protected virtual IEnumerable<string> Told => [];

    /// <summary>
    /// The checks of prerequisites that fail before an example mends them, or because the server is simulated.
    /// </summary>
    protected virtual IEnumerable<string> FailsBefore(string code) => [];

    /// <summary>Sets up what an example takes for granted: what stands before it in its document.</summary>
    protected abstract void Prepare(string code);

    /// <summary>Looks at what the commands of an example made, on this side.</summary>
    protected virtual void LookAtEffects(string code, EngineSession.Result result)
    {
        if (Has(code, "Invoke-NataliaBackup"))
            Assert.NotEmpty(Do("Get-NataliaRestorePoint -Latest | Where-Object IsReadable").Output);
        if (Has(code, "Set-NataliaAppliance.* -Repository (?<name>\\w+)", out string repository))
            Assert.Equal([repository], Do("(Get-NataliaAppliance).Repository").Text);
        if (Has(code, "Set-NataliaRetention"))
            Assert.Contains(Do("Get-NataliaRetention | ForEach-Object { \"$($_.Policy)\" }").Text,
                p => p.StartsWith("last 4, daily 7, weekly 4, monthly 3", StringComparison.Ordinal));
        if (Has(code, "Export-NataliaProfile"))
            Assert.DoesNotContain(Vault.PasswordText, File.ReadAllText(this["C/ProgramData/natalia.json"]),
                StringComparison.Ordinal);
        if (Has(code, "Test-NataliaPrerequisite"))
            Assert.Equal(FailsBefore(code), Of<CheckResult>(result).Where(c => c.Result == CheckOutcome.Failed)
                .Select(c => c.Name).Distinct());
        if (Has(code, "Test-NataliaPrerequisite (natalia|-AsScheduled)[^|]*$"))
            Assert.Contains(Of<CheckResult>(result), c => c.Result == CheckOutcome.Passed);
        if (Has(code, "Register-NataliaSchedule"))
            Assert.True(Of<BackupSchedule>(result).First().WasChanged);
        if (Has(code, "Get-NataliaSchedule")) Assert.NotEmpty(Of<BackupSchedule>(result));
        if (Has(code, "(Set|Get)-NataliaReplication"))
            Assert.All(Of<ReplicationState>(result), r => Assert.Equal(5, r.IntervalMinutes));
        if (Has(code, "Test-NataliaRestore\\b"))
            Assert.Equal((RestoreTestResult.Passed, null), Of<RestoreTest>(result).Select(t => (t.Result, t.Reason))
                .Single());
    }

    /// <summary>Something that cannot be typed as it stands.</summary>
    protected void Change(string pattern, string to, string reason) => _changes.Add(new(pattern, to, reason));

    /// <summary>Runs a script that has to go well.</summary>
    protected EngineSession.Result Do(string script, params object?[] arguments)
    {
        EngineSession.Result result = _session.Run(script, arguments);
        Assert.True(result.Errors.Count == 0, Text(result));
        return result;
    }

    protected static bool Has(string code, string pattern) => Has(code, pattern, out _);

    protected static bool Has(string code, string pattern, out string name)
    {
        Match match = Regex.Match(code, pattern, RegexOptions.Multiline);
        name = match.Groups["name"].Value;
        return match.Success;
    }

    protected static IReadOnlyList<T> Of<T>(EngineSession.Result result) =>
        [.. result.Output.Select(o => o.BaseObject).OfType<T>()];

    private static string Text(EngineSession.Result result) =>
        string.Concat(result.Errors.Select(e => $"{e.FullyQualifiedErrorId}: {e}\n{e.ScriptStackTrace}\n"));
}
