using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Scsi;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>
/// The full feature phase of a session with its one connection. Commands are worked on beside each other; what they
/// take of memory is bounded whatever the initiator asks for.
/// </summary>
internal sealed class IscsiSession : IDisposable
{
    /// <summary>So many commands may be on their way.</summary>
    private const int Window = 64;

    private const int Units = 64, UnitBytes = 64 * 1024;

    private static readonly TimeSpan s_abortWithin = TimeSpan.FromSeconds(10);

    private readonly IscsiTarget _target;
    private readonly PduStream _pdus;
    private readonly Stream _stream;
    private readonly SessionTerms _terms;
    private readonly Room _room = new(Units, UnitBytes);
    private readonly object _gate = new();
    private readonly Dictionary<uint, IscsiTask> _tasks = [];
    private readonly RunningTasks _running = new();
    private CancellationTokenSource? _stop;
    private uint _expCmdSn, _statSn;
    private int _lastTransferTag, _counted;

    internal IscsiSession(IscsiTarget target, PduStream pdus, Stream stream, SessionTerms terms, Nexus nexus,
        uint cmdSn,
        uint statSn)
    {
        (_target, _pdus, _stream, _terms, Nexus) = (target, pdus, stream, terms, nexus);
        (_expCmdSn, _statSn) = (cmdSn, statSn);
    }

    internal Nexus Nexus { get; }

    /// <summary>A PDU that has begun is sent to its end whatever becomes of its task: this alone ends it.</summary>
    private CancellationToken SessionToken => _stop!.Token;

    /// <summary>Serves until the initiator logs out, goes, or breaks the protocol.</summary>
    internal async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _stop = stop;
        try
        {
            while (await TakeAsync(await _pdus.ReadAsync(stop.Token).ConfigureAwait(false), stop.Token)
                .ConfigureAwait(false))
            {
            }
        }
        finally
        {
            stop.Cancel();
            _ = AbortAllAsync();
            await _running.WhenAllAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends the session from another thread.</summary>
    internal void Close()
    {
        try
        {
            _stop?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended.
        }
        _stream.Dispose();
    }

    /// <returns>False when the session is over.</returns>
    private async Task<bool> TakeAsync(Pdu pdu, CancellationToken cancellationToken)
    {
        if (pdu.Opcode == Opcodes.DataOut)
        {
            IscsiTask? task;
            lock (_gate) _tasks.TryGetValue(pdu.Tag, out task);
            // Of a task that was aborted meanwhile, data may still come.
            task?.Take(pdu);
            return true;
        }
        if (!IsInOrder(pdu)) return true;
        if (_terms.IsDiscovery && pdu.Opcode is not (Opcodes.Text or Opcodes.Logout or Opcodes.NopOut))
        {
            await RejectAsync(pdu, 4, cancellationToken).ConfigureAwait(false);
            return true;
        }
        switch (pdu.Opcode)
        {
            case Opcodes.ScsiCommand:
                Begin(pdu, cancellationToken);
                return true;
            case Opcodes.NopOut:
                if (pdu.Tag != Pdu.NoTag)
                    await AnswerAsync(new Pdu(Opcodes.NopIn, 0x80)
                    {
                        Tag = pdu.Tag,
                        Data = pdu.Data.Slice(0, Math.Min(pdu.Data.Length, _terms.PeerData)),
                        [20] = Pdu.NoTag,
                    }, cancellationToken).ConfigureAwait(false);
                return true;
            case Opcodes.TaskManagement:
                _running.Add(ManageAsync(pdu, cancellationToken));
                return true;
            case Opcodes.Text:
                await AnswerAsync(new Pdu(Opcodes.TextResponse, 0x80)
                {
                    Tag = pdu.Tag,
                    Data = Tell(pdu),
                    [20] = Pdu.NoTag,
                }, cancellationToken).ConfigureAwait(false);
                return true;
            case Opcodes.Logout:
                await AbortAllAsync().ConfigureAwait(false);
                await AnswerAsync(new Pdu(Opcodes.LogoutResponse, 0x80) { Tag = pdu.Tag }, cancellationToken)
                    .ConfigureAwait(false);
                return false;
            default:
                await RejectAsync(pdu, 5, cancellationToken).ConfigureAwait(false);
                return true;
        }
    }

    /// <summary>What is not due is passed over without a word: RFC 7143 §4.2.2.1.</summary>
    private bool IsInOrder(Pdu pdu)
    {
        if (pdu.IsImmediate) return true;
        lock (_gate)
        {
            if (pdu[24] != _expCmdSn) return false;
            _expCmdSn++;
            return true;
        }
    }

    private byte[] Tell(Pdu pdu)
    {
        var answers = new List<(string, string)>();
        foreach ((string key, string value) in TextKeys.Parse(pdu.Data.Span))
        {
            if (key != "SendTargets") answers.Add((key, "NotUnderstood"));
            else if (value is "All" or "" || string.Equals(value, _target.Name, StringComparison.OrdinalIgnoreCase))
            {
                answers.Add(("TargetName", _target.Name));
                // Where everything is listened at, the address that the initiator used is the one that it reaches.
                if (!_target.EndPoint.Address.Equals(System.Net.IPAddress.Any)
                    && !_target.EndPoint.Address.Equals(System.Net.IPAddress.IPv6Any))
                    answers.Add(("TargetAddress", $"{_target.EndPoint},1"));
            }
        }
        return TextKeys.Encode(answers);
    }

    private void Begin(Pdu pdu, CancellationToken cancellationToken)
    {
        if ((pdu.Flags & 0x80) == 0 || pdu.Data.Length > _terms.FirstBurst
            || pdu.Data.Length > 0 && ((pdu.Flags & 0x20) == 0 || !_terms.ImmediateData))
            throw new IscsiProtocolException("A command brings data that was not agreed on.");
        var task = new IscsiTask(pdu, cancellationToken);
        lock (_gate)
        {
            if (_tasks.ContainsKey(task.Tag)) throw new IscsiProtocolException("Two tasks have one number.");
            // Immediate commands are not counted by the window.
            if (_tasks.Count >= 2 * Window) throw new IscsiProtocolException("Too many commands are on their way.");
            _tasks[task.Tag] = task;
            if (!pdu.IsImmediate) _counted++;
        }
        _running.Add(RunAsync(task));
    }

    /// <summary>Never throws: where the answer cannot be sent, the connection ends.</summary>
    private async Task RunAsync(IscsiTask task)
    {
        int taken = 0;
        try
        {
            byte[] cdb = task.Command.Header.AsSpan(32, 16).ToArray();
            ScsiReply reply;
            int wanted = 0;
            try
            {
                wanted = ScsiUnit.DataOutBytes(cdb);
                if (ScsiUnit.IsExact(cdb) && task.ExpectedBytes != wanted) throw ScsiException.InvalidField;
                int comes = task.Writes ? (int)Math.Min(wanted, task.ExpectedBytes) : 0;
                int reads = task.Reads || ScsiUnit.Verifies(cdb) ? ScsiUnit.DataInBytes(cdb) : 0;
                taken = await _room.TakeAsync(comes + reads, task.Token).ConfigureAwait(false);
                task.Expect(comes);
                await ReceiveAsync(task, comes).ConfigureAwait(false);
                reply = await _target.Unit.ExecuteAsync(Nexus, task.Command.Lun, cdb, task.Data, task.Token)
                    .ConfigureAwait(false);
            }
            catch (ScsiException refused)
            {
                reply = refused.Reply;
            }
            if (task.IsAborted) return;
            await RespondAsync(task, reply, wanted).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (task.IsAborted)
        {
            // Nobody waits for its answer.
        }
        catch (Exception)
        {
            Close();
        }
        finally
        {
            lock (_gate) Forget(task);
            if (taken > 0) _room.Give(taken);
            task.Ended.TrySetResult(true);
            task.Dispose();
        }
    }

    /// <summary>Asks for what did not come with the command, burst by burst.</summary>
    private async Task ReceiveAsync(IscsiTask task, int comes)
    {
        for (uint number = 0; task.Received < comes; number++)
        {
            int burst = Math.Min(_terms.MaxBurst, comes - task.Received);
            uint tag = (uint)Interlocked.Increment(ref _lastTransferTag) & 0x7FFFFFFF;
            Task there = task.Ask(tag, burst);
            var ask = new Pdu(Opcodes.ReadyToTransfer, 0x80)
            {
                Tag = task.Tag,
                [20] = tag,
                [36] = number,
                [40] = (uint)task.Received,
                [44] = (uint)burst,
            };
            task.Command.Header.AsSpan(8, 8).CopyTo(ask.Header.AsSpan(8));
            // It has no number of its own, and tells what the next one will be.
            await _pdus.WriteAsync(ask, pdu => Number(pdu, counts: false), task.Token, SessionToken)
                .ConfigureAwait(false);
            await there.ConfigureAwait(false);
        }
    }

    private async Task RespondAsync(IscsiTask task, ScsiReply reply, int wanted)
    {
        // What was asked for and what there is need not be as much as the command's header expected.
        long expected = task.Reads || task.Writes ? task.ExpectedBytes : 0;
        int sent = task.Reads && !task.Writes ? (int)Math.Min(reply.Data.Length, expected) : 0;
        long moved = task.Reads ? reply.Data.Length : wanted;
        if (task.Reads && task.Writes) (sent, moved) = (0, expected);
        if (reply.Status != ScsiReply.Good && task.Reads) moved = 0;
        // A command that brings nothing, and data that was offered all the same.
        byte residual = (byte)(moved > expected ? 0x04 : moved < expected ? 0x02 : 0);
        uint count = (uint)Math.Abs(moved - expected);
        uint dataSn = 0;
        bool isTold = false;
        for (int offset = 0; offset < sent;)
        {
            int burstLeft = _terms.MaxBurst - offset % _terms.MaxBurst;
            int length = Math.Min(Math.Min(_terms.PeerData, burstLeft), sent - offset);
            bool isLast = offset + length == sent;
            // The last of a burst, and with good status the answer itself.
            byte flags = (byte)(length == burstLeft || isLast ? 0x80 : 0);
            isTold = isLast && reply.Status == ScsiReply.Good;
            if (isTold) flags |= (byte)(0x01 | residual);
            var data = new Pdu(Opcodes.DataIn, flags)
            {
                Tag = task.Tag,
                Data = reply.Data.Slice(offset, length),
                [20] = Pdu.NoTag,
                [36] = dataSn++,
                [40] = (uint)offset,
                [44] = isTold ? count : 0,
            };
            bool counts = isTold;
            await _pdus.WriteAsync(data, pdu => Number(pdu, counts, task), task.Token, SessionToken)
                .ConfigureAwait(false);
            offset += length;
        }
        if (isTold) return;
        byte[] sense = reply.Sense.Length == 0
            ? []
            : [(byte)(reply.Sense.Length >> 8), (byte)reply.Sense.Length, .. reply.Sense];
        var answer = new Pdu(Opcodes.ScsiResponse, (byte)(0x80 | residual))
        {
            Tag = task.Tag,
            Data = sense,
            [36] = dataSn,
            [44] = count,
        };
        answer.Header[3] = reply.Status;
        await _pdus.WriteAsync(answer, pdu => Number(pdu, true, task), task.Token, SessionToken)
            .ConfigureAwait(false);
    }

    private Task AnswerAsync(Pdu pdu, CancellationToken cancellationToken) =>
        _pdus.WriteAsync(pdu, p => Number(p, counts: true), cancellationToken, cancellationToken);

    /// <summary>Called when it is the PDU's turn to be sent.</summary>
    private void Number(Pdu pdu, bool counts, IscsiTask? ends = null)
    {
        lock (_gate)
        {
            // With its answer a task's place in the window is free.
            if (counts && ends is not null) Forget(ends);
            if (pdu.Opcode != Opcodes.DataIn || counts) pdu[24] = counts ? _statSn++ : _statSn;
            pdu[28] = _expCmdSn;
            pdu[32] = _expCmdSn + (uint)Math.Max(0, Window - _counted) - 1;
        }
    }

    /// <summary>Once for each task; its number may be another's by then.</summary>
    private void Forget(IscsiTask task)
    {
        if (!_tasks.TryGetValue(task.Tag, out IscsiTask? known) || known != task) return;
        _tasks.Remove(task.Tag);
        if (!task.Command.IsImmediate) _counted--;
    }

    private Task RejectAsync(Pdu pdu, byte reason, CancellationToken cancellationToken)
    {
        var reject = new Pdu(Opcodes.Reject, 0x80) { Data = pdu.Header, [16] = Pdu.NoTag };
        reject.Header[2] = reason;
        return AnswerAsync(reject, cancellationToken);
    }

    /// <summary>RFC 7143 §11.5.</summary>
    private async Task ManageAsync(Pdu pdu, CancellationToken cancellationToken)
    {
        try
        {
            byte response = 0;
            switch (pdu.Flags & 0x7F)
            {
                case 1:
                    IscsiTask? task;
                    lock (_gate) _tasks.TryGetValue(pdu[20], out task);
                    if (task is null) response = 1;
                    else await AbortAsync(task).ConfigureAwait(false);
                    break;
                // ABORT TASK SET and CLEAR TASK SET: of the one unit.
                case 2 or 4:
                    await AbortAllAsync().ConfigureAwait(false);
                    break;
                // LOGICAL UNIT RESET, TARGET WARM RESET.
                case 5 or 6:
                    if ((pdu.Flags & 0x7F) == 5 && pdu.Lun != 0) response = 2;
                    else await _target.ResetAsync().ConfigureAwait(false);
                    break;
                default:
                    response = 5;
                    break;
            }
            var answer = new Pdu(Opcodes.TaskManagementResponse, 0x80) { Tag = pdu.Tag };
            answer.Header[2] = response;
            await AnswerAsync(answer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception)
        {
            Close();
        }
    }

    private static async Task AbortAsync(IscsiTask task)
    {
        task.Abort();
        // The answer must not come before the task's last effect; one that hangs in the store is waited for so long.
        await Task.WhenAny(task.Ended.Task, Task.Delay(s_abortWithin)).ConfigureAwait(false);
    }

    /// <summary>Ends all tasks of the session without answers.</summary>
    internal async Task AbortAllAsync()
    {
        IscsiTask[] tasks;
        lock (_gate) tasks = [.. _tasks.Values];
        await Task.WhenAll(tasks.Select(AbortAsync)).ConfigureAwait(false);
    }

    public void Dispose() => _room.Dispose();
}
