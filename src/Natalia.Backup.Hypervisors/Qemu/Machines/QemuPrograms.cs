using System.Diagnostics;
#if NET8_0_OR_GREATER
using System.Text;
#endif
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>QEMU's programs on this machine.</summary>
internal static class QemuPrograms
{
    internal const string System = "qemu-system-x86_64";
    internal const string Image = "qemu-img";

#if NET8_0_OR_GREATER
    /// <summary>What of a program's output is kept: its errors are short.</summary>
    private const int MostOutput = 16 * 1024;
#endif

    /// <summary>The full path of a program; null when it is not installed.</summary>
    internal static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator).Where(d => d.Length > 0 && Path.IsPathRooted(d))
        .Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);

    /// <summary>The full path of a program.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    internal static string Require(string program, string package) => Find(program) ?? throw new NataliaException(
        ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"The program '{program}' is not installed on this machine, so no VM can be run here.", program,
        $"Install it: on Debian and Ubuntu it is in the package {package}.");

    /// <summary>Runs a program to its end; when that is not waited for, the program is ended.</summary>
    /// <returns>Its exit code and the end of what it wrote to its error output.</returns>
    /// <exception cref="NataliaException"><c>TaskNotFinished</c> after the time limit.</exception>
    internal static async Task<(int Code, string Output, string Errors)> RunAsync(string program,
        IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken,
        TimeProvider? clock = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
#if NET8_0_OR_GREATER
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
#else
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            "Windows PowerShell cannot run QEMU's programs.", program, "Use PowerShell 7.4 or newer.");
#endif
#if NET8_0_OR_GREATER
        using var time = new CancellationTokenSource(timeout, clock ?? TimeProvider.System);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        using Process process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            Task<string> output = ReadAsync(process.StandardOutput, limit.Token);
            string errors = await ReadAsync(process.StandardError, limit.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            return (process.ExitCode, await output.ConfigureAwait(false), errors.Trim());
        }
        catch (OperationCanceledException e)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                $"'{program}' has not ended within {timeout.TotalSeconds:0} seconds, and was ended.", program, null, e);
        }
#endif
    }

#if NET8_0_OR_GREATER
    /// <summary>Reads to the end, and keeps the beginning.</summary>
    private static async Task<string> ReadAsync(StreamReader from, CancellationToken cancellationToken)
    {
        var kept = new StringBuilder();
        char[] buffer = new char[4096];
        while (await from.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and int read)
            kept.Append(buffer, 0, Math.Min(read, MostOutput - kept.Length));
        return kept.ToString();
    }
#endif
}
