using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Small text files in a guest, by programs that every Linux and BSD has; the same for every
/// channel.</summary>
public static class GuestFiles
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    /// <summary>Writes a file, and the folder that it lies in where that is missing.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Its full path there.</param>
    /// <param name="text">What it holds, at most 64 KiB.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <returns>How the writing ended: an exit code other than 0 says that it failed.</returns>
    /// <exception cref="NataliaException">What the channel throws.</exception>
    public static Task<GuestCommandResult> WriteFileAsync(this IGuest guest, string path, string text,
        CancellationToken cancellationToken) =>
        guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/sh", "-c", "mkdir -p \"$(dirname \"$1\")\" && cat > \"$1\"", "write", path],
            Input = text,
            Timeout = s_limit,
        }, cancellationToken);

    /// <summary>Reads a file, as far as a channel keeps an output (1 MiB).</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Its full path there.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <returns>Its text.</returns>
    /// <exception cref="NataliaException"><c>GuestCommandFailed</c>: it cannot be read, or is too long; what the
    /// channel throws.</exception>
    public static async Task<string> ReadFileAsync(this IGuest guest, string path, CancellationToken cancellationToken)
    {
        GuestCommandResult result = await guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/cat", "--", path],
            Timeout = s_limit,
        }, cancellationToken).ConfigureAwait(false);
        if (result is { ExitCode: 0, IsTruncated: false }) return result.Output;
        throw new NataliaException(ErrorIds.GuestCommandFailed, NataliaErrorKind.ReadFailed,
            $"The file '{path}' in the guest cannot be read: "
            + (result.IsTruncated ? "it is too long." : DisplayText.Clean(result.Error.Trim())), path);
    }
}
