using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Guests;

/// <summary>
/// Has a guest count its call records of a day. The command must print one whole number and end with 0.
/// </summary>
internal static class CdrCounter
{
    /// <summary>
    /// An assumption: the vendor's procedure asks for the count, and no public document names the command. Set it with
    /// -CdrCountCommand where it differs. <c>{day}</c> and <c>{zone}</c> are filled in.
    /// </summary>
    internal static readonly IReadOnlyList<string> DefaultCommand =
        ["/usr/bin/env", "natalia-cli", "cdr", "count", "--day", "{day}", "--zone", "{zone}"];

    /// <summary>What came of a count.</summary>
    /// <param name="Count">The number; null when there is none, and why stands in the text.</param>
    /// <param name="Text">Why there is no number, or what the command wrote.</param>
    internal sealed record Answer(long? Count, string Text);

    /// <summary>Counts.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="command">The command, with <c>{day}</c> and <c>{zone}</c> in it.</param>
    /// <param name="day">The day, <c>yyyy-MM-dd</c>.</param>
    /// <param name="zone">The zone in which it is meant.</param>
    /// <param name="timeout">How long the command may take.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException">What the channel throws.</exception>
    internal static async Task<Answer> CountAsync(IGuest guest, IReadOnlyList<string> command, string day, string zone,
        TimeSpan timeout, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> arguments = GuestCommandLine.Expand(command, ("day", day), ("zone", zone));
        GuestCommandResult result = await guest.RunAsync(new GuestCommand { Arguments = arguments, Timeout = timeout },
            cancellationToken).ConfigureAwait(false);
        string wrote = CommandOutput.Describe(result);
        if (result.ExitCode != 0)
            return new Answer(null, $"'{GuestCommandLine.Describe(arguments)}': {CommandOutput.DescribeEnd(result)}. "
                + wrote);
        return CommandOutput.Number(result.Output) is long count
            ? new Answer(count, wrote)
            : new Answer(null, $"'{GuestCommandLine.Describe(arguments)}' printed no whole number. {wrote}");
    }
}
