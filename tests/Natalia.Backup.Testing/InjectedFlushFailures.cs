using System.Text.RegularExpressions;

namespace Natalia.Backup.Testing;

/// <summary>
/// Runs a program whose every flush of a file or folder fails in the kernel's stead, and says what it flushed.
/// </summary>
public static class InjectedFlushFailures
{
    /// <param name="error">The error's name, as EIO.</param>
    /// <param name="log">A file for what strace saw.</param>
    /// <param name="environment">Variables for the program.</param>
    /// <param name="command">The program with its arguments.</param>
    /// <returns>How it ended, and which paths it tried to flush, each as often as it did.</returns>
    public static (int Code, string Output, string Errors, IReadOnlyList<string> Flushed) Run(string error, string log,
        IReadOnlyDictionary<string, string?> environment, params string[] command)
    {
        (int code, string output, string errors) = Counterpart.Strace.Run(environment,
            ["-f", "-y", "-o", log, "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-e",
                $"inject=fsync,fdatasync:error={error}", .. command]);
        return (code, output, errors,
            [.. Regex.Matches(File.ReadAllText(log), @"sync\(\d+<([^>]*)>\) += -1 [A-Z]+ .*\(INJECTED\)")
                .Select(m => m.Groups[1].Value)]);
    }
}
