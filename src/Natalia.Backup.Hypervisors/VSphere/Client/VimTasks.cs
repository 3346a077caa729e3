using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Methods that begin a task.</summary>
internal static class VimTasks
{
    /// <summary>Calls a method whose name ends in <c>_Task</c>, and waits for its end.</summary>
    /// <returns>The element <c>result</c>; null when the task has none.</returns>
    /// <exception cref="VimFaultException">The server refused, or the task failed.</exception>
    /// <exception cref="NataliaException"><c>TaskNotFinished</c>, <c>ServerAnswerInvalid</c>, and what a call can fail
    /// with.</exception>
    internal static async Task<XElement?> RunTaskAsync(this IVimService vim, VimReference target, string method,
        IEnumerable<XElement?> arguments, VimTaskOptions how, CancellationToken cancellationToken) =>
        await vim.WaitTaskAsync(await vim.BeginTaskAsync(target, method, arguments,
            cancellationToken).ConfigureAwait(false), how, cancellationToken).ConfigureAwait(false);

    /// <summary>Calls a method whose name ends in <c>_Task</c>.</summary>
    /// <returns>The task.</returns>
    /// <exception cref="VimFaultException">The server refused.</exception>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>: the server named no task; and what a call can
    /// fail with.</exception>
    internal static async Task<VimReference> BeginTaskAsync(this IVimService vim, VimReference target, string method,
        IEnumerable<XElement?> arguments, CancellationToken cancellationToken)
    {
        IReadOnlyList<XElement> begun = await vim.CallAsync(target, method, arguments,
            cancellationToken).ConfigureAwait(false);
        return VimXml.ReferenceOf(begun.FirstOrDefault())
            ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"'{vim.BaseUri.IdnHost}' answered {method} without a task.", vim.BaseUri.IdnHost);
    }
}
