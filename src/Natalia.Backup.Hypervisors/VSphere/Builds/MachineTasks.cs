using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>What changes VMs, each waited for to its end.</summary>
/// <param name="vim">The session.</param>
internal sealed class MachineTasks(IVimService vim)
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(15), s_pollEvery = TimeSpan.FromSeconds(1);

    /// <summary>Calls a method that begins a task, and waits for its end.</summary>
    /// <param name="target">The object.</param>
    /// <param name="method">The method.</param>
    /// <param name="what">What it does, for messages.</param>
    /// <param name="arguments">Its arguments.</param>
    internal Task<XElement?> RunAsync(VimReference target, string method, string what,
        IEnumerable<XElement?> arguments, CancellationToken cancellationToken) =>
        vim.RunTaskAsync(target, method, arguments, new VimTaskOptions(s_limit, what), cancellationToken);

    /// <summary>Changes a VM's configuration.</summary>
    internal Task ReconfigureAsync(VirtualMachine machine, CancellationToken cancellationToken,
        params XElement?[] spec) =>
        RunAsync(machine.Reference, "ReconfigVM_Task", $"the change of '{machine.Name}'",
            [VimXml.Group("spec", [.. spec])], cancellationToken);

    /// <summary>
    /// Switches a VM on; one that runs already is as good. A host that asks whether the VM was moved or copied is told
    /// that it was copied, for its original may run; any other question is an error.
    /// </summary>
    /// <exception cref="NataliaException"><c>TaskFailed</c>, <c>TaskNotFinished</c>, <c>RequestOutcomeUnknown</c>.
    /// </exception>
    internal async Task PowerOnAsync(VirtualMachine machine, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task asked = AnswerAsync(machine, over.Token);
        Task started = StartAsync(machine, over.Token);
        Task first = await Task.WhenAny(started, asked).ConfigureAwait(false);
        try
        {
            // A question that nobody can answer ends the wait; the start itself ends with the VM.
            if (first == asked && asked.IsFaulted) await asked.ConfigureAwait(false);
            await started.ConfigureAwait(false);
        }
        finally
        {
            over.Cancel();
            await SettleAsync(started).ConfigureAwait(false);
            await SettleAsync(asked).ConfigureAwait(false);
        }
    }

    /// <summary>Switches a VM off, if it is on.</summary>
    internal async Task PowerOffAsync(VirtualMachine machine, CancellationToken cancellationToken)
    {
        if (machine.Power == "poweredOff") return;
        try
        {
            await RunAsync(machine.Reference, "PowerOffVM_Task", $"the stop of '{machine.Name}'", [],
                cancellationToken).ConfigureAwait(false);
        }
        catch (VimFaultException e) when (e.Is("InvalidPowerState"))
        {
            // It has ended by itself meanwhile.
        }
    }

    /// <summary>Removes a VM with the disks that are attached to it.</summary>
    internal Task DestroyAsync(VirtualMachine machine, CancellationToken cancellationToken) =>
        RunAsync(machine.Reference, "Destroy_Task", $"the removal of '{machine.Name}'", [], cancellationToken);

    /// <summary>
    /// Begins a start and waits for its end. A start whose answer was lost is begun again: the server tells then that
    /// the VM runs, or that a task of it is under way.
    /// </summary>
    private async Task StartAsync(VirtualMachine machine, CancellationToken cancellationToken)
    {
        string what = $"the start of '{machine.Name}'";
        XElement?[] arguments = machine.Host is VimReference host && vim.IsVirtualCenter
            ? [VimXml.Element("host", host)] : [];
        long begin = vim.Clock.GetTimestamp();
        bool wasLost = false;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await vim.RunTaskAsync(machine.Reference, "PowerOnVM_Task", arguments,
                    new VimTaskOptions(s_limit, what), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (VimFaultException e) when (e.Is("InvalidPowerState")
                && e.Detail.Text("existingState") is null or "poweredOn")
            {
                return;
            }
            catch (VimFaultException e) when (wasLost && e.Is("TaskInProgress")
                && vim.Clock.GetElapsedTime(begin) < s_limit)
            {
                // The one whose answer was lost; a question of it is answered meanwhile.
            }
            catch (NataliaException e) when (e.ErrorId == ErrorIds.RequestOutcomeUnknown && attempt < 3)
            {
                wasLost = true;
            }
            await vim.Clock.WaitAsync(s_pollEvery, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Answers what a start asks, until it is cancelled.</summary>
    private async Task AnswerAsync(VirtualMachine machine, CancellationToken cancellationToken)
    {
        string? answered = null;
        for (bool isAgain = false; ;)
        {
            try
            {
                VimObject? now = (await vim.GetPropertiesAsync([machine.Reference], ["runtime.question"],
                    cancellationToken).ConfigureAwait(false)).FirstOrDefault();
                if (now?["runtime.question"] is XElement question && question.Text("id") is string id)
                {
                    isAgain = id == answered;
                    answered = id;
                    await AnswerAsync(machine, question, id, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (NataliaException e) when (e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.RequestOutcomeUnknown)
            {
                // The next look shows whether it was answered; a server that stays away ends the start itself.
            }
            catch (VimFaultException) when (isAgain)
            {
                // The answer that was lost had arrived.
            }
            await vim.Clock.WaitAsync(s_pollEvery, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AnswerAsync(VirtualMachine machine, XElement question, string id,
        CancellationToken cancellationToken)
    {
        string text = question.Text("text") ?? "";
        bool isAboutIdentity = text.IndexOf("uuid.altered", StringComparison.OrdinalIgnoreCase) >= 0
            || (text.IndexOf("moved", StringComparison.OrdinalIgnoreCase) >= 0
                && text.IndexOf("copied", StringComparison.OrdinalIgnoreCase) >= 0);
        XElement? copied = question.At("choice").Members("choiceInfo").FirstOrDefault(c =>
            (c.Text("summary") ?? c.Text("label") ?? "").IndexOf("cop", StringComparison.OrdinalIgnoreCase) >= 0);
        if (!isAboutIdentity || copied.Text("key") is not string key)
            throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"The start of '{machine.Name}' waits for an answer that only a person can give: "
                + $"{DisplayText.Clean(text)}", machine.Name, "Answer it in the vSphere Client.");
        await vim.CallAsync(machine.Reference, "AnswerVM",
            [VimXml.Element("questionId", id), VimXml.Element("answerChoice", key)],
            cancellationToken).ConfigureAwait(false);
    }

    private static async Task SettleAsync(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            // What there is to tell of it was told by whoever waited for it first.
        }
    }
}
