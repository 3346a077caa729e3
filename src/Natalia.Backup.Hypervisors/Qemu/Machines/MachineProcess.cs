using System.Diagnostics;
using System.Globalization;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// A running QEMU, as the system's list of processes shows it. It is known by the VM's id on its command line, so that
/// it is found again whoever started it, and nothing else is ever ended.
/// </summary>
/// <param name="Id">The process's number.</param>
/// <param name="StartTicks">When it was started, in ticks since the machine was: with the number it names one process
/// for ever.</param>
/// <param name="Arguments">Its command line, the program first.</param>
internal sealed record MachineProcess(int Id, long StartTicks, IReadOnlyList<string> Arguments)
{
    /// <summary>No command line of a VM is longer.</summary>
    private const int MostArguments = 1024 * 1024;

    private static readonly TimeSpan s_quitLimit = TimeSpan.FromSeconds(5), s_killLimit = TimeSpan.FromSeconds(20),
        s_pause = TimeSpan.FromMilliseconds(20), s_startLimit = TimeSpan.FromMinutes(2);

    /// <summary>The process of a VM; null when it does not run.</summary>
    /// <param name="machineId">The VM's id.</param>
    internal static MachineProcess? Find(string machineId)
    {
        if (!Directory.Exists("/proc")) return null;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                && Read(id) is MachineProcess process && process.IsOf(machineId))
                return process;
        }
        return null;
    }

    /// <summary>Starts a VM's process, its processors stopped where the command line says so.</summary>
    /// <exception cref="NataliaException"><c>TaskFailed</c> with what QEMU says; <c>TaskNotFinished</c>,
    /// <c>CapabilityMissing</c>.</exception>
    internal static async Task StartAsync(string machine, IReadOnlyList<string> arguments,
        CancellationToken cancellationToken)
    {
        string program = QemuPrograms.Require(QemuPrograms.System, "qemu-system-x86");
        (int code, _, string errors) = await QemuPrograms.RunAsync(program, arguments, s_startLimit,
            cancellationToken).ConfigureAwait(false);
        if (code == 0) return;
        throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
            $"The VM '{machine}' could not be switched on: {(errors.Length > 0 ? errors : $"QEMU ended with {code}")}",
            machine, "See whether this machine has room for it: memory, and the folder's disk.");
    }

    /// <summary>
    /// Ends a VM's process: asked by its monitor first, ended by the system when it does not go. One that does not run
    /// is fine.
    /// </summary>
    /// <param name="machineId">The VM's id.</param>
    /// <param name="monitor">Its monitor's socket, or null.</param>
    /// <exception cref="NataliaException"><c>TaskNotFinished</c>: it is still there.</exception>
    internal static async Task StopAsync(string machineId, string? monitor, CancellationToken cancellationToken)
    {
        if (Find(machineId) is not MachineProcess process) return;
        if (monitor is not null) await AskToQuitAsync(monitor, machineId, cancellationToken).ConfigureAwait(false);
        if (await process.IsGoneAsync(s_quitLimit, cancellationToken).ConfigureAwait(false)) return;
        process.Kill(machineId);
        if (await process.IsGoneAsync(s_killLimit, cancellationToken).ConfigureAwait(false)) return;
        throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
            $"The process {process.Id} of the VM {machineId} does not end.", machineId,
            "A disk that does not answer keeps it: see the system's log.");
    }

    private static async Task AskToQuitAsync(string monitor, string machineId, CancellationToken cancellationToken)
    {
        try
        {
            using QmpClient client = await QmpClient.ConnectAsync(monitor, s_quitLimit,
                cancellationToken).ConfigureAwait(false);
            if (!await client.IsOfAsync(machineId, cancellationToken).ConfigureAwait(false)) return;
            await client.ExecuteAsync("quit", null, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException)
        {
            // It hangs, or ended before it could answer; the process list tells.
        }
    }

    private async Task<bool> IsGoneAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        for (var since = Stopwatch.StartNew(); Read(Id)?.StartTicks == StartTicks;)
        {
            if (since.Elapsed > limit) return false;
            await Task.Delay(s_pause, cancellationToken).ConfigureAwait(false);
        }
        return true;
    }

    private void Kill(string machineId)
    {
        try
        {
            using var process = Process.GetProcessById(Id);
            // Looked at once more after the process was taken hold of: its number may be another's by now.
            if (Read(Id) is MachineProcess now && now.StartTicks == StartTicks && now.IsOf(machineId)) process.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It is gone.
        }
    }

    private bool IsOf(string machineId)
    {
        if (Arguments.Count == 0
            || !Path.GetFileName(Arguments[0]).StartsWith("qemu-system-", StringComparison.Ordinal))
            return false;
        for (int i = 1; i < Arguments.Count - 1; i++)
            if (Arguments[i] == "-uuid") return Arguments[i + 1] == machineId;
        return false;
    }

    private static MachineProcess? Read(int id)
    {
        try
        {
            using FileStream file = File.OpenRead($"/proc/{id}/cmdline");
            using var bytes = new MemoryStream();
            byte[] buffer = new byte[4096];
            while (bytes.Length < MostArguments && file.Read(buffer, 0, buffer.Length) is > 0 and int read)
                bytes.Write(buffer, 0, read);
            // A process that has ended and was not waited for has no command line any more.
            if (bytes.Length == 0) return null;
            string[] arguments = Encoding.UTF8.GetString(bytes.ToArray()).TrimEnd('\0').Split('\0');
            // The name in brackets may hold anything; what follows the last bracket is numbers, the start the 20th.
            string status = File.ReadAllText($"/proc/{id}/stat");
            string[] fields = status.Substring(status.LastIndexOf(')') + 2).Split(' ');
            return new MachineProcess(id, long.Parse(fields[19], CultureInfo.InvariantCulture), arguments);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or FormatException or ArgumentOutOfRangeException
                or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
