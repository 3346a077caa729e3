using System.Diagnostics;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>The PowerShell that runs of a schedule start.</summary>
/// <param name="Path">A full path.</param>
/// <param name="Arguments">What it needs before PowerShell's own arguments.</param>
internal sealed record PowerShellProgram(string Path, IReadOnlyList<string> Arguments)
{
    private static readonly string[] s_known = ["pwsh", "powershell", "natalia"];

    /// <summary>The program that was named, or the one that runs this.</summary>
    /// <param name="named">A full path; null for the one that runs this.</param>
    /// <param name="home">The folder of the PowerShell that runs this.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>.</exception>
    internal static PowerShellProgram Find(string? named, string home)
    {
        if (named is not null)
            return File.Exists(named)
                ? new PowerShellProgram(named, [])
                : throw NotFound($"there is no program '{named}'", named);
        using var current = Process.GetCurrentProcess();
        return Find(current.MainModule?.FileName, Environment.GetCommandLineArgs().FirstOrDefault(), home, File.Exists)
            ?? throw NotFound("the program that runs this is no PowerShell that could be started again", null);
    }

    /// <summary>The same, pure.</summary>
    /// <param name="process">The program of this process.</param>
    /// <param name="first">What it was started with first: its assembly, where that is <c>dotnet</c>.</param>
    /// <param name="home">The folder of the PowerShell that runs this.</param>
    /// <param name="exists">Whether a file is there.</param>
    internal static PowerShellProgram? Find(string? process, string? first, string home, Func<string, bool> exists)
    {
        if (process is not null && IsKnown(process)) return new PowerShellProgram(process, []);
        // Such as a tool of .NET: dotnet pwsh.
        if (process is not null && first is not null && IsNamed(process, "dotnet")
            && first.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) && IsKnown(first))
            return new PowerShellProgram(process, [first]);
        // Another program with PowerShell in it: an editor, a service.
        return new[] { "pwsh.exe", "pwsh", "powershell.exe" }.Select(n => System.IO.Path.Combine(home, n))
            .Where(exists).Select(p => new PowerShellProgram(p, [])).FirstOrDefault();
    }

    private static bool IsKnown(string program) => s_known.Any(k => IsNamed(program, k));

    private static bool IsNamed(string program, string name) =>
        string.Equals(System.IO.Path.GetFileNameWithoutExtension(program), name, StringComparison.OrdinalIgnoreCase);

    private static NataliaException NotFound(string why, string? target) =>
        new(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument, $"Nothing was registered: {why}.", target,
            "Name pwsh, powershell.exe or natalia with -PowerShellPath.");
}
