using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace Natalia.Backup.Host.Commands;

/// <summary>
/// The few commands of PowerShell's utility modules that scripts for this module cannot do without. Each does what its namesake does with the parameters
/// that it has, and refuses the others: a script never runs to a different result than in pwsh without an error.
/// </summary>
internal static class StandIns
{
    private static readonly Type[] s_types =
    [
        typeof(FormatListCommand), typeof(FormatTableCommand),
        typeof(GetDateCommand), typeof(JoinPathCommand), typeof(MeasureObjectCommand), typeof(ReadHostCommand),
        typeof(SelectObjectCommand), typeof(SortObjectCommand), typeof(StartSleepCommand), typeof(TestPathCommand),
        typeof(WriteDebugCommand), typeof(WriteErrorCommand), typeof(WriteHostCommand), typeof(WriteInformationCommand),
        typeof(WriteOutputCommand), typeof(WriteProgressCommand), typeof(WriteVerboseCommand), typeof(WriteWarningCommand),
    ];

    // What people try first; the hint is worth more than completeness.
    private static readonly HashSet<string> s_absent = new(StringComparer.OrdinalIgnoreCase)
    {
        "Add-Content", "Add-Member", "Add-Type", "Clear-Content", "Compare-Object", "ConvertFrom-Csv", "ConvertFrom-Json", "ConvertFrom-SecureString",
        "ConvertTo-Csv", "ConvertTo-Html", "ConvertTo-Json", "ConvertTo-SecureString", "ConvertTo-Xml", "Copy-Item", "Export-Clixml", "Export-Csv",
        "Format-Custom", "Format-Wide", "Get-ChildItem", "Get-Content", "Get-Credential", "Get-FileHash", "Get-Item", "Get-ItemProperty", "Get-Location",
        "Get-Member", "Get-Process", "Get-Random", "Get-Service", "Get-Unique", "Get-Variable", "Group-Object", "Import-Clixml", "Import-Csv",
        "Import-PowerShellDataFile", "Invoke-Expression", "Invoke-RestMethod", "Invoke-WebRequest", "Measure-Command", "Move-Item", "New-Guid", "New-Item",
        "New-Object", "New-TimeSpan", "New-Variable", "Out-File", "Out-String", "Remove-Item", "Rename-Item", "Resolve-Path", "Select-String",
        "Set-Content", "Set-Item", "Set-Location", "Set-Variable", "Split-Path", "Start-Process", "Tee-Object", "Update-FormatData", "cd", "ls", "dir",
        "cat", "cp", "mv", "rm", "del", "gci", "gc", "iex", "pwd",
    };

    public static IReadOnlyList<string> Names { get; } = [.. s_types.Select(NameOf).Order(StringComparer.Ordinal)];

    public static void AddTo(InitialSessionState state)
    {
        foreach (var type in s_types)
            state.Commands.Add(new SessionStateCmdletEntry(NameOf(type), type, helpFileName: null));
    }

    /// <summary>What to say beside an error about a command that pwsh has and the runner has not; else null.</summary>
    public static string? Hint(ErrorRecord error) =>
        error.Exception is CommandNotFoundException missing && s_absent.Contains(missing.CommandName)
            ? $"natalia: '{missing.CommandName}' belongs to PowerShell's utility modules, which this runner does not have. Use .NET from the script, " +
              "or run it in pwsh after 'Import-Module Natalia.Backup'. 'natalia --help' lists what is here."
            : null;

    private static string NameOf(Type type)
    {
        var cmdlet = (CmdletAttribute)Attribute.GetCustomAttribute(type, typeof(CmdletAttribute))!;
        return $"{cmdlet.VerbName}-{cmdlet.NounName}";
    }
}
