using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>
/// The body of an answer, with the answer itself; closing it closes the connection that it comes by. A server that says
/// nothing for minutes is given up.
/// </summary>
internal sealed class ResponseBody(HttpResponseMessage response, Stream body) : ReadOnlyStream
{
    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(5);

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async Task<int> ReadAsync(byte[] buffer, int offset, int count,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(s_silenceLimit);
        try
        {
            return await body.ReadAsync(buffer, offset, count, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"The server was silent for {s_silenceLimit.TotalMinutes:0} minutes.", e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => body.Read(buffer, offset, count);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            body.Dispose();
            response.Dispose();
        }
        base.Dispose(disposing);
    }
}
