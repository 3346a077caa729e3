using System.Globalization;
using System.Net;
using System.Text;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Guests;

/// <summary>
/// A guest that takes commands. A program's output is nothing that the server gives: it is sent to files in a folder
/// that only its user can read, fetched, and removed.
/// </summary>
/// <param name="vim">The session.</param>
/// <param name="machine">The VM.</param>
/// <param name="files">Files of guests.</param>
/// <param name="processes">Processes of guests.</param>
/// <param name="who">Who the programs run as.</param>
internal sealed class ToolsGuest(IVimService vim, VirtualMachine machine, VimReference files, VimReference processes,
    GuestCredential who) : IGuest
{
    private const int MostOutputBytes = 4 << 20;
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1), s_cleanUpLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_fetchLimit = TimeSpan.FromMinutes(5);

    public async Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken)
    {
        if (command.Arguments.Count == 0) throw new ArgumentException("No program is named.", nameof(command));
        long started = vim.Clock.GetTimestamp();
        string folder = await MakeFolderAsync(cancellationToken).ConfigureAwait(false);
        long? pid = null;
        bool isOver = false;
        try
        {
            if (command.Input is string input)
                await SendAsync(folder + "/in", Encoding.UTF8.GetBytes(input),
                    cancellationToken).ConfigureAwait(false);
            pid = await StartAsync(command, folder, cancellationToken).ConfigureAwait(false);
            int exit = await WaitAsync(command, pid.Value, started, cancellationToken).ConfigureAwait(false);
            isOver = true;
            (string output, bool isOutputCut) = await FetchAsync(folder + "/out",
                cancellationToken).ConfigureAwait(false);
            (string error, bool isErrorCut) = await FetchAsync(folder + "/err",
                cancellationToken).ConfigureAwait(false);
            return new GuestCommandResult(exit, null, output, error, isOutputCut || isErrorCut,
                vim.Clock.GetElapsedTime(started));
        }
        catch (VimFaultException e) when (e.Is("GuestOperationsUnavailable", "GuestComponentsOutOfDate"))
        {
            throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
                $"The guest of '{machine.Name}' does not answer any more: {e.Message}", machine.Name,
                "See whether it still runs.", e);
        }
        catch (VimFaultException e) when (e.Is("InvalidGuestLogin", "GuestPermissionDenied"))
        {
            throw new NataliaException(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"The guest of '{machine.Name}' does not let '{who.UserName}' run '{command.Arguments[0]}'.",
                machine.Name, null, e);
        }
        catch (VimFaultException e) when (e.Is("FileNotFound", "CannotAccessFile", "FileFault", "InvalidArgument"))
        {
            throw new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.InvalidOperation,
                $"'{command.Arguments[0]}' could not be run in the guest of '{machine.Name}': {e.Message}",
                machine.Name, "Name the program with its full path, and see whether it is there.", e);
        }
        finally
        {
            await ClearAsync(folder, isOver ? null : pid).ConfigureAwait(false);
        }
    }

    /// <summary>The channel is the server's.</summary>
    public ValueTask DisposeAsync() => default;

    private async Task<string> MakeFolderAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> made = await vim.CallAsync(files, "CreateTemporaryDirectoryInGuest",
            [Vm, Auth, VimXml.Element("prefix", "natalia-"), VimXml.Element("suffix", "")],
            cancellationToken).ConfigureAwait(false);
        return made.FirstOrDefault()?.Value is { Length: > 0 } folder ? folder
            : throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The guest of '{machine.Name}' did not say which folder it made.", machine.Name);
    }

    private async Task<long> StartAsync(GuestCommand command, string folder, CancellationToken cancellationToken)
    {
        string from = command.Input is null ? "/dev/null" : folder + "/in";
        // The tools hand the line to the guest's shell; each word is quoted for it, so that none is more than a word.
        string arguments = string.Join(" ", command.Arguments.Skip(1).Select(Quote)
            .Concat([">", Quote(folder + "/out"), "2>", Quote(folder + "/err"), "<", Quote(from)]));
        IReadOnlyList<XElement> started = await vim.CallAsync(processes, "StartProgramInGuest",
            [
                Vm, Auth,
                VimXml.Typed("spec", "GuestProgramSpec",
                    VimXml.Element("programPath", command.Arguments[0]),
                    VimXml.Element("arguments", arguments)),
            ], cancellationToken).ConfigureAwait(false);
        return long.TryParse(started.FirstOrDefault()?.Value, NumberStyles.None, CultureInfo.InvariantCulture,
            out long pid)
            ? pid
            : throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The guest of '{machine.Name}' did not say which process it started.", machine.Name);
    }

    /// <summary>The exit code: the server keeps it for five minutes after the end.</summary>
    private async Task<int> WaitAsync(GuestCommand command, long pid, long started,
        CancellationToken cancellationToken)
    {
        while (true)
        {
            IReadOnlyList<XElement> found = await vim.CallAsync(processes, "ListProcessesInGuest",
                [Vm, Auth, VimXml.Element("pids", pid)], cancellationToken).ConfigureAwait(false);
            XElement? process = found.FirstOrDefault(p => p.Number("pid") == pid);
            if (process is null)
                throw new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.InvalidOperation,
                    $"'{command.Arguments[0]}' is gone from the guest of '{machine.Name}', and how it ended is not "
                    + "known.", machine.Name);
            if (process.Member("endTime") is not null && process.Number("exitCode") is long exit) return (int)exit;
            if (vim.Clock.GetElapsedTime(started) > command.Timeout)
                throw new NataliaException(ErrorIds.GuestCommandTimeout, NataliaErrorKind.Timeout,
                    $"'{command.Arguments[0]}' in the guest of '{machine.Name}' did not end within "
                    + $"{command.Timeout.TotalMinutes:0.#} minutes.", machine.Name, "Give it more time.");
            await vim.Clock.WaitAsync(s_poll, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task SendAsync(string path, byte[] bytes, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> answer = await vim.CallAsync(files, "InitiateFileTransferToGuest",
            [
                Vm, Auth, VimXml.Element("guestFilePath", path),
                VimXml.Typed("fileAttributes", "GuestPosixFileAttributes", VimXml.Element("permissions", 384)),
                VimXml.Element("fileSize", (long)bytes.Length), VimXml.Element("overwrite", true),
            ], cancellationToken).ConfigureAwait(false);
        Uri address = AddressOf(answer.FirstOrDefault()?.Value);
        using HttpResponseMessage sent = await vim.SendAsync(() => new HttpRequestMessage(HttpMethod.Put, address)
        {
            Content = new ByteArrayContent(bytes),
        }, cancellationToken).ConfigureAwait(false);
        if (!sent.IsSuccessStatusCode) throw Failed(path, sent.StatusCode);
    }

    private async Task<(string Text, bool IsCut)> FetchAsync(string path, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> answer = await vim.CallAsync(files, "InitiateFileTransferFromGuest",
            [Vm, Auth, VimXml.Element("guestFilePath", path)], cancellationToken).ConfigureAwait(false);
        Uri address = AddressOf(answer.FirstOrDefault().Text("url"));
        using HttpResponseMessage got = await vim.SendAsync(() => new HttpRequestMessage(HttpMethod.Get, address),
            cancellationToken).ConfigureAwait(false);
        if (got.StatusCode != HttpStatusCode.OK) throw Failed(path, got.StatusCode);
        using var text = new MemoryStream();
        using Deadline limit = vim.Clock.CreateDeadline(s_fetchLimit, cancellationToken);
        try
        {
            using Stream body = await got.Content.ReadAsStreamAsync().ConfigureAwait(false);
            byte[] buffer = new byte[64 * 1024];
            int now;
            while (text.Length <= MostOutputBytes
                && (now = await body.ReadAsync(buffer, 0, buffer.Length, limit.Token).ConfigureAwait(false)) > 0)
                text.Write(buffer, 0, now);
        }
        catch (Exception e) when (e is IOException or HttpRequestException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
                $"The file '{path}' of the guest of '{machine.Name}' broke off after {text.Length} bytes.",
                machine.Name, "See whether the guest and its host still run.", e);
        }
        bool isCut = text.Length > MostOutputBytes;
        return (Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)Math.Min(text.Length, MostOutputBytes)), isCut);
    }

    private Uri AddressOf(string? text) => ServerAddress.Resolve(vim.BaseUri, text ?? "")
        ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"The server gave an address for a file of the guest of '{machine.Name}' that is none.", machine.Name);

    private NataliaException Failed(string path, HttpStatusCode status) =>
        new(ErrorIds.GuestCommandFailed, NataliaErrorKind.ReadFailed,
        $"The file '{path}' of the guest of '{machine.Name}' could not be moved (status {(int)status}).", machine.Name,
        "Files of guests come from the ESXi host: its name must be resolved here, and its port 443 reached.");

    /// <summary>What was begun ends, and its folder goes, bounded: a guest that is gone takes it along.</summary>
    private async Task ClearAsync(string folder, long? running)
    {
        using Deadline limit = vim.Clock.CreateDeadline(s_cleanUpLimit, CancellationToken.None);
        try
        {
            if (running is long pid)
                await vim.CallAsync(processes, "TerminateProcessInGuest", [Vm, Auth, VimXml.Element("pid", pid)],
                    limit.Token).ConfigureAwait(false);
            await vim.CallAsync(files, "DeleteDirectoryInGuest",
                [Vm, Auth, VimXml.Element("directoryPath", folder), VimXml.Element("recursive", true)],
                limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            // It lies in a folder for temporary files of a guest that may be gone.
        }
    }

    private XElement? Vm => VimXml.Element("vm", machine.Reference);

    private XElement Auth => GuestOperations.Login(who);

    private static string Quote(string word) => "'" + word.Replace("'", "'\\''") + "'";
}
