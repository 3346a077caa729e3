using System.Net;
using System.Net.Http.Headers;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>
/// Reads ranges of a frozen flat file by HTTPS. That a server gives ranges is demanded of every answer and never taken
/// for granted: a whole file, a shorter range or one of another place is an error. Any thread.
/// </summary>
/// <param name="vim">The session.</param>
/// <param name="address">The file's address.</param>
/// <param name="name">The file, for errors.</param>
/// <param name="sizeBytes">How many bytes it must have.</param>
/// <param name="room">Bounds how many requests go to the server at once.</param>
internal sealed class FlatFileReader(IVimService vim, Uri address, string name, long sizeBytes, SemaphoreSlim room)
    : IDiskBytes
{
    /// <summary>A file that another reader holds is mostly free again after seconds.</summary>
    internal static readonly IReadOnlyList<TimeSpan> Waits =
        [.. new[] { 1, 2, 5, 10, 20, 30 }.Select(s => TimeSpan.FromSeconds(s))];

    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(3);

    private volatile bool _isClosed;

    /// <summary>Tries the first byte: whether the server gives ranges, and of a file of the disk's size.</summary>
    internal async Task<WayProbe> ProbeAsync(CancellationToken cancellationToken)
    {
        byte[] one = new byte[1];
        Answer answer = await AskAsync(0, one, cancellationToken).ConfigureAwait(false);
        return answer.Result switch
        {
            Outcome.Read => WayProbe.Works,
            Outcome.NotFound => new WayProbe($"'{name}' is not there as a file: the datastore keeps the disk in "
                + "another form (vSAN, vVol, sparse)."),
            Outcome.Locked => new WayProbe($"The server does not let '{name}' be read: {answer.Why}.", IsForNow: true),
            Outcome.Silent => new WayProbe($"'{name}' could not be read: {answer.Why}.", IsForNow: true),
            Outcome.Forbidden => new WayProbe($"The server refused '{name}' ({answer.Why}): the privileges "
                + "Datastore.Browse and Datastore.FileManagement are needed."),
            _ => new WayProbe($"'{name}' cannot be read in parts: {answer.Why}."),
        };
    }

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (buffer.IsEmpty) return;
        for (int attempt = 0; ; attempt++)
        {
            if (_isClosed) throw new InvalidOperationException("Nothing can be read of a sealed state.");
            Answer answer = await AskAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
            if (answer.Result == Outcome.Read) return;
            bool mayPass = answer.Result is Outcome.Locked or Outcome.Silent;
            if (!mayPass || attempt == Waits.Count) throw Failed(answer, offset);
            await vim.Clock.WaitAsync(Waits[attempt], cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>From now on nothing is read.</summary>
    internal void Close() => _isClosed = true;

    private async Task<Answer> AskAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await room.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Waiting for the others' requests is no silence of the server.
            stop.CancelAfter(s_silenceLimit);
            using HttpResponseMessage response = await vim.SendAsync(() => Request(offset, buffer.Length),
                stop.Token).ConfigureAwait(false);
            if (Judge(response, offset, buffer.Length) is Answer no) return no;
            using Stream body = await response.Content.ReadAsStreamAsync().ConfigureAwait(false);
            int missing = await body.FillAsync(buffer, stop.Token).ConfigureAwait(false);
            return missing == 0
                ? new Answer(Outcome.Read, "")
                : new Answer(Outcome.Silent, $"the answer ended {missing} bytes early");
        }
        catch (NataliaException e) when (e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.RequestOutcomeUnknown)
        {
            return new Answer(Outcome.Silent, e.Message.TrimEnd('.'), e);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return new Answer(Outcome.Silent, "the connection broke off", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            return new Answer(Outcome.Silent,
                $"the server was silent for {s_silenceLimit.TotalMinutes:0} minutes", e);
        }
        finally
        {
            room.Release();
        }
    }

    private HttpRequestMessage Request(long offset, int length)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Range = new RangeHeaderValue(offset, offset + length - 1);
        // A packed answer has other offsets.
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        return request;
    }

    /// <summary>What is wrong with an answer's head; null when the bytes follow that were asked for.</summary>
    private Answer? Judge(HttpResponseMessage response, long offset, int length)
    {
        int status = (int)response.StatusCode;
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent:
                break;
            case HttpStatusCode.OK:
                return new Answer(Outcome.Odd, "the server gives the whole file where a part was asked for (200)");
            case HttpStatusCode.NotFound or HttpStatusCode.Gone:
                return new Answer(Outcome.NotFound, $"{status}");
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                return new Answer(Outcome.Forbidden, $"{status}");
            case HttpStatusCode.InternalServerError or (HttpStatusCode)423:
                return new Answer(Outcome.Locked, $"somebody else holds it ({status})");
            default:
                return new Answer(status is 429 or >= 500 ? Outcome.Silent : Outcome.Odd,
                    $"the server answered {status}");
        }
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        if (range is not { From: long from, To: long to } || range.Unit != "bytes")
            return new Answer(Outcome.Odd, "the server does not say which part it gives");
        if (from != offset || to != offset + length - 1)
            return new Answer(Outcome.Odd, $"the server gives the bytes {from} to {to} where {offset} to "
                + $"{offset + length - 1} were asked for");
        if (range.Length is long whole && whole != sizeBytes)
            return new Answer(Outcome.Odd, $"the file has {whole} bytes, and the disk {sizeBytes}");
        if (response.Content.Headers.ContentLength is long body && body != length)
            return new Answer(Outcome.Odd, $"the answer has {body} bytes where {length} were asked for");
        return null;
    }

    private NataliaException Failed(Answer answer, long offset)
    {
        (string what, string advice) = answer.Result switch
        {
            Outcome.NotFound => ("it is not there any more: the VM or its disk was moved, or the snapshot was removed",
                "Keep the VM from being moved during backups (vMotion, DRS, Storage vMotion), and run the backup "
                + "again."),
            Outcome.Locked => ($"{answer.Why}, also after several attempts",
                "See which other backup or task of the server reads the VM, and run the backup again when it has "
                + "ended."),
            Outcome.Forbidden => ($"the server refused ({answer.Why})",
                "Give the user the privileges Datastore.Browse and Datastore.FileManagement on the datastore."),
            Outcome.Silent => (answer.Why + ", also after several attempts",
                "See whether the host is there, and run the backup again: it goes on from what is stored."),
            _ => (answer.Why, "A proxy may be in between; read from the host itself."),
        };
        return new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
            $"The frozen disk '{name}' could not be read at byte {offset}: {what}.", name, advice, answer.Inner);
    }

    private enum Outcome { Read, NotFound, Locked, Forbidden, Silent, Odd }

    private sealed record Answer(Outcome Result, string Why, Exception? Inner = null);
}
