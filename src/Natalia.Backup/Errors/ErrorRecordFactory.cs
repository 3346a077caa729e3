using System.Management.Automation;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Errors;

/// <summary>The one place where an exception becomes an error record.</summary>
internal static class ErrorRecordFactory
{
    /// <summary>
    /// Makes the record. An exception that nobody foresaw becomes <c>Unexpected</c>, with the exception kept inside.
    /// </summary>
    /// <param name="exception">What was caught.</param>
    /// <param name="target">The object concerned, as the user knows it; null takes the one that the exception
    /// names.</param>
    internal static ErrorRecord Create(Exception exception, object? target = null)
    {
        NataliaException known = Known(exception);
        var record = new ErrorRecord(known, known.ErrorId, CategoryOf(known.Kind), target ?? known.Target);
        // Older consoles print the target's text with the category.
        if (!DisplayText.IsPlain(record.CategoryInfo.TargetName))
            record.CategoryInfo.TargetName = DisplayText.CleanLine(record.CategoryInfo.TargetName);
        if ((known.RecommendedAction ?? ErrorCures.Of(known.ErrorId)) is string action)
            record.ErrorDetails = new ErrorDetails(known.Message) { RecommendedAction = action };
        return record;
    }

    /// <summary>The error category that belongs to a kind of trouble.</summary>
    internal static ErrorCategory CategoryOf(NataliaErrorKind kind) => kind switch
    {
        NataliaErrorKind.InvalidArgument => ErrorCategory.InvalidArgument,
        NataliaErrorKind.InvalidOperation => ErrorCategory.InvalidOperation,
        NataliaErrorKind.NotFound => ErrorCategory.ObjectNotFound,
        NataliaErrorKind.AlreadyExists => ErrorCategory.ResourceExists,
        NataliaErrorKind.InvalidData => ErrorCategory.InvalidData,
        NataliaErrorKind.Authentication => ErrorCategory.AuthenticationError,
        NataliaErrorKind.PermissionDenied => ErrorCategory.PermissionDenied,
        NataliaErrorKind.ResourceBusy => ErrorCategory.ResourceBusy,
        NataliaErrorKind.Connection => ErrorCategory.ConnectionError,
        NataliaErrorKind.ResourceUnavailable => ErrorCategory.ResourceUnavailable,
        NataliaErrorKind.ReadFailed => ErrorCategory.ReadError,
        NataliaErrorKind.WriteFailed => ErrorCategory.WriteError,
        NataliaErrorKind.Timeout => ErrorCategory.OperationTimeout,
        NataliaErrorKind.LimitExceeded => ErrorCategory.LimitsExceeded,
        NataliaErrorKind.NotSupported => ErrorCategory.NotImplemented,
        NataliaErrorKind.Security => ErrorCategory.SecurityError,
        _ => ErrorCategory.NotSpecified,
    };

    /// <summary>The exception as this product words it.</summary>
    internal static NataliaException Known(Exception exception)
    {
        while (exception is AggregateException { InnerExceptions.Count: 1 } aggregate)
            exception = aggregate.InnerExceptions[0];
        return exception as NataliaException ?? new NataliaException(ErrorIds.Unexpected, NataliaErrorKind.Unknown,
            $"Something unforeseen happened ({exception.GetType().Name}): {exception.Message}",
            recommendedAction: "Look at the error's Exception.InnerException, and report it when it comes again.",
            innerException: exception);
    }
}
