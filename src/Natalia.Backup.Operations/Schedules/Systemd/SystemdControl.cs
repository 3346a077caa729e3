using System.ComponentModel;
using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>The programs of systemd on this machine.</summary>
/// <param name="isSystem">Whether the system's manager is meant, not the user's.</param>
internal sealed class SystemdControl(bool isSystem) : ISystemdControl
{
    /// <summary>There when, and only when, systemd runs the machine; sd_booted(3).</summary>
    private const string Booted = "/run/systemd/system";

    private const int MostOutput = 1 << 20;

    /// <inheritdoc/>
    public string? Obstacle => Directory.Exists(Booted)
        ? null
        : "systemd does not run this machine, as in most containers";

    /// <inheritdoc/>
    public Task<ProgramResult> ControlAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        StartAsync("systemctl", arguments, cancellationToken);

    /// <inheritdoc/>
    public Task<ProgramResult> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        StartAsync("systemd-run", arguments, cancellationToken);

    private async Task<ProgramResult> StartAsync(string program, IReadOnlyList<string> arguments,
        CancellationToken cancellationToken)
    {
        IEnumerable<string> all = isSystem ? arguments : arguments.Prepend("--user");
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, ScheduledCommand.Line(all))
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            },
            EnableRaisingEvents = true,
        };
        var ended = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        process.Exited += (_, _) => ended.TrySetResult(true);
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new NataliaException(ErrorIds.SchedulerNotAvailable, NataliaErrorKind.ResourceUnavailable,
                $"'{program}' could not be started: {e.Message}", program,
                "Install systemd, or write the unit files to a folder with -UnitFolder.", e);
        }
        process.StandardInput.Close();
        Task<string> output = ReadAsync(process.StandardOutput), errors = ReadAsync(process.StandardError);
        using (cancellationToken.Register(() => Kill(process)))
            await ended.Task.ConfigureAwait(false);
        string written = await output.ConfigureAwait(false), told = await errors.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return new ProgramResult(process.ExitCode, written, told);
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // It has ended by itself.
            _ = e;
        }
    }

    /// <summary>All of it is read, so that the program can end; only a part is kept.</summary>
    private static async Task<string> ReadAsync(StreamReader reader)
    {
        var text = new System.Text.StringBuilder();
        var buffer = new char[4096];
        int read;
        while ((read = await reader.ReadAsync(buffer, 0, buffer.Length).ConfigureAwait(false)) > 0)
            if (text.Length < MostOutput) text.Append(buffer, 0, read);
        return text.ToString();
    }
}
